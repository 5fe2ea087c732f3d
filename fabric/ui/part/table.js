// A table: every cell has a header; on a narrow screen it stands above the cell.

import { h } from "../dom/h.js";

/** `columns` are `{ head, cell, number, wide }`; the first one names its row. Rows are told apart by `key`. */
export function table(caption, columns, rows, key) {
  const kind = (column) => [column.number && "is-number", column.wide && "is-wide"].filter(Boolean).join(" ") || null;
  const cell = (row) => (column, index) => {
    const value = column.cell(row);
    if (index === 0) return h("th", { scope: "row", role: "rowheader", class: kind(column) }, value);
    const isEmpty = value === "" || value === null || value === undefined;
    return h("td", { role: "cell", class: isEmpty ? `is-empty ${kind(column) ?? ""}`.trim() : kind(column), "data-label": column.head }, value);
  };
  return h("table", { class: "table", role: "table" },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) =>
      h("th", { scope: "col", role: "columnheader", class: column.number ? "is-number" : null }, column.head || h("span", { class: "unseen" }, "Actions"))))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { key: key(row), role: "row" }, columns.map(cell(row))))));
}
