// Words with times: highlighted while they sound, chosen to be heard. One stop of the Tab key; arrow keys go on.

import { element } from "./player.js";
import { text } from "./texts.js";

export class Words {
  /** Show words in a place; `chosen(seconds)` is called when one is chosen. */
  constructor(place, chosen) {
    this.place = place;
    this.chosen = chosen;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", text("words"));
    place.addEventListener("keydown", (event) => this.walk(event));
    this.clear();
  }

  clear() {
    this.all = []; // {node, start, end}
    this.current = null;
    this.place.replaceChildren();
  }

  /** Add a word that is written as `shown`, between other text. */
  add(shown, start, end, place = this.place) {
    const node = element("button", { type: "button", className: "word", textContent: shown, tabIndex: this.all.length ? -1 : 0 });
    node.addEventListener("click", () => {
      this.stop(node);
      this.chosen(start);
    });
    place.append(node);
    this.all.push({ node, start, end });
  }

  /** Make a word the one at which the Tab key stops. */
  stop(node) {
    for (const other of this.all) other.node.tabIndex = other.node === node ? 0 : -1;
  }

  walk(event) {
    const at = this.all.findIndex(({ node }) => node === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: this.all.length - 1 }[event.key];
    if (at < 0 || !this.all[to]) return;
    event.preventDefault();
    this.stop(this.all[to].node);
    this.all[to].node.focus();
  }

  /** Highlight the word that sounds at a time. */
  show(seconds) {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle].start <= seconds + 0.01) low = middle + 1;
      else high = middle;
    }
    const found = this.all[low - 1];
    const now = found && seconds < found.end ? found : null;
    if (now === this.current) return;
    this.current?.node.classList.remove("now");
    now?.node.classList.add("now");
    this.current = now;
  }
}
