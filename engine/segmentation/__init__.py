"""Room `segmentation`: a label for each pixel (lecture slides 15-77)."""
