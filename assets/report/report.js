// Sorts the rows of the table by the head that was clicked; once more turns the order round. Empty cells stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = document.querySelector("tbody");
    const column = [...head.parentElement.children].indexOf(head), text = button.dataset.kind === "text";
    const former = head.getAttribute("aria-sort");
    const rising = former ? former === "descending" : text;
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => row.children[column].dataset.value;
    const compare = (a, b) => {
      if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
      const order = text ? value(a).localeCompare(value(b), undefined, { numeric: true }) : value(a) - value(b);
      return rising ? order : -order;
    };
    body.append(...[...body.children].sort(compare));
  });
}
