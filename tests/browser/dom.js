// The few parts of a document that the renderer uses, with what it has drawn as text.

class Node {
  constructor(tag) {
    Object.assign(this, { tag, parent: null, children: [], attributes: new Map(), textContent: "" });
  }

  get firstChild() {
    return this.children[0] ?? null;
  }

  get nextSibling() {
    return this.parent.children[this.parent.children.indexOf(this) + 1] ?? null;
  }

  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
    this.parent = null;
  }

  insertBefore(node, before) {
    if (before && before.parent !== this) throw new Error("the node before which to insert is elsewhere");
    if (node.parent) node.remove();
    this.children.splice(before ? this.children.indexOf(before) : this.children.length, 0, node);
    node.parent = this;
  }

  setAttribute(name, value) {
    this.attributes.set(name, String(value));
    touched.count += 1;
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  get innerHTML() {
    return this.children.map((node) => node.outerHTML).join("\n");
  }

  get outerHTML() {
    const said = [...this.attributes].map(([name, value]) => ` ${name}="${value}"`).join("");
    return `<${this.tag}${said}>${this.textContent}${this.innerHTML}</${this.tag}>`;
  }
}

export const touched = { count: 0 };

export const group = () => new Node("g");

globalThis.document = { createElementNS: (_names, tag) => new Node(tag) };
