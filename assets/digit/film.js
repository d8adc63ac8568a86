// The paper's video: frames that Python made beforehand, played, stepped or scrubbed; nothing moves before it is asked to.

const RATE = 20; // frames in a second

/** Whether motion is unwelcome: then frames are only stepped. */
export const staysStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class FilmPlayer {
  /** @param {import("./digit.js").Digit} owner */
  constructor(owner) {
    this.owner = owner;
    this.frames = null;
    this.at = 0;
    const { play, scrub, back, next } = owner.refs;
    play.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
    scrub.addEventListener("input", () => { this.stop(); this.go(Number(scrub.value)); });
    back.addEventListener("click", () => { this.stop(); this.go(this.at - 1); });
    next.addEventListener("click", () => { this.stop(); this.go(this.at + 1); });
  }

  get frame() { return this.frames?.[this.at] ?? null; }

  /** Frames have come; they play at once, since the user asked for them. */
  take(frames, { moving, held }) {
    const { scrub, held: words } = this.owner.refs;
    this.frames = frames;
    scrub.max = frames.length - 1;
    words.textContent = `ink that changes from frame to frame: input ${Math.round(100 * moving)} %, output ${Math.round(100 * held)} %`;
    this.go(0);
    this.start();
  }

  drop() {
    this.stop();
    this.frames = null;
    this.owner.refs.held.textContent = "Python makes the frames ...";
  }

  go(index) {
    if (!this.frames) return;
    this.at = (index + this.frames.length) % this.frames.length;
    this.owner.refs.scrub.value = this.at;
    this.owner.request();
  }

  start() {
    this.owner.refs.play.hidden = staysStill();
    if (staysStill() || !this.frames) return;
    this.mark(true);
    let due = performance.now();
    const tick = (now) => {
      if (now >= due) {
        due = Math.max(due + 1000 / RATE, now);
        this.go(this.at + 1);
      }
      this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.timer);
    this.timer = 0;
    this.mark(false);
  }

  mark(playing) {
    const { play } = this.owner.refs;
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }
}
