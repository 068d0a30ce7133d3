// Elements from data. Text is always text: nothing that a cluster says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function html(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

export function only(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

export function percent(part) {
  return `${Math.round(part * 1000) / 10} %`;
}

export function empty(title, text) {
  return html("p", { class: "empty" }, html("strong", {}, title), text);
}
