"""Room `attention`: networks that choose where to look (lecture slides 78-115)."""
