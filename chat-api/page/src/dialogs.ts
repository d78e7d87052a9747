// Dialogs: the browser keeps the focus inside, closes them on Escape and gives the focus back.

import { element, iconButton } from "./dom";

let count = 0;

/** Open a dialog over the page; it is gone once it is closed. */
export function openDialog(title: string, ...content: (Node | string)[]): HTMLDialogElement {
  const heading = element("h2", { id: `dialog-${++count}` }, title);
  const dialog: HTMLDialogElement = element(
    "dialog",
    { "aria-labelledby": heading.id },
    element("header", { class: "bar" }, heading, iconButton("close", "Close", () => dialog.close())),
    ...content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  // A click on the backdrop is a click on the dialog itself, outside of its box.
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (!inside) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
