// States that can be taken back and done again.

export class History {
  /** @param {any} first the state before anything was done @param {number} most how many are kept */
  constructor(first, most = 200) {
    Object.assign(this, { states: [first], at: 0, most });
  }

  get now() { return this.states[this.at]; }
  get canUndo() { return this.at > 0; }
  get canRedo() { return this.at < this.states.length - 1; }

  /** A new state; what was taken back is gone. The same state again is none. */
  push(state) {
    if (JSON.stringify(state) === JSON.stringify(this.now)) return;
    this.states = [...this.states.slice(0, this.at + 1), state].slice(-this.most);
    this.at = this.states.length - 1;
  }

  /** Go back (-1) or forward (1) as far as there is anything. @returns {any} the state then */
  go(step) {
    this.at = Math.min(this.states.length - 1, Math.max(0, this.at + step));
    return this.now;
  }
}
