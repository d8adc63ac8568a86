// The live digit: the browser draws the network's input in every frame; Python answers with what the networks make of
// it, one message in flight at most while something is dragged, and always one when it is let go.
import { refs, rgbOf } from "../viewer/dom.js";
import { readFrame } from "../viewer/payload.js";
import { registry } from "../viewer/registry.js";
import { offerScreen } from "../viewer/screen.js";
import { History } from "../drag/history.js";
import { UPRIGHT, drawCanvas, placingFault, placingTurned, thousandth } from "./placing.js";
import { asText } from "./pad.js";
import { decodeFrames } from "./frames.js";
import { Scene, isUpright } from "./scene.js";
import { AnswerPane, poseText } from "./answer.js";
import { FilmPlayer } from "./film.js";
import { Drawing } from "./drawing.js";

const KEYS_JOIN = 300; // milliseconds in which further keys join the same state
const LOST = 3000; // milliseconds after which a message counts as lost
const TURN_BY = 5, SCALE_BY = 1.05; // of Q and E, of + and -

export class Digit {
  constructor(root, key) {
    this.key = key;
    this.refs = refs(root);
    this.mode = "place"; // or "draw", or "film"
    this.state = null; // {numbers, places}: what is shown
    this.frame = null; // the last answer
    this.flying = null; // {n, at}: the message that is not answered yet
    this.scene = new Scene(this);
    this.answer = new AnswerPane(this);
    this.film = new FilmPlayer(this);
    this.drawing = new Drawing(this);
    this.listen();
    this.dropScreen = offerScreen(this.refs.wrap, this.refs, this.refs.input);
    (registry().digits ??= new Map()).set(key, this);
  }

  destroy() {
    this.dead = true;
    this.dropScreen();
    this.film.stop();
    cancelAnimationFrame(this.pending);
    for (const timer of [this.soon, this.late]) clearTimeout(timer);
    this.scene.destroy();
    this.answer.destroy();
    if (registry().digits.get(this.key) === this) registry().digits.delete(this.key);
  }

  get colours() {
    const style = getComputedStyle(this.refs.wrap), named = (name, other) => style.getPropertyValue(name).trim() || other;
    return { accent: named("--st-primary-color", "#c8325f"), wash: `rgb(${rgbOf(named("--st-secondary-background-color", "#eee"))})` };
  }

  /** A call from Streamlit: its bytes are a header and the parts that it names. */
  receive(head, bytes, end, send) {
    const former = this.head, blobs = {};
    let at = end;
    for (const [name, length] of head.blobs) blobs[name] = bytes.slice(at, (at += length));
    Object.assign(this, { head, send });
    const changed = (...names) => !former || names.some((name) => former[name] !== head[name]);
    this.digit = blobs.digit;
    this.cut = blobs.pieces ?? new Uint8Array();
    if (!former && blobs.drawn) this.drawing.recall(blobs.drawn);
    if (changed("draws")) this.setMode(head.draws && this.drawing.pad.blank ? "draw" : "place", false);
    else if (changed("task", "digit", "family") && this.mode === "film") this.setMode("place", false);
    if (changed("task")) this.scene.build(head, head.places.length);
    if (changed("set", "task")) this.takeState({ numbers: head.numbers, places: head.places }, changed("task"));
    if (this.flying && head.n >= this.flying.n) this.flying = null;
    this.frame = head.live && decodeFrames(head.live, blobs.live)[0];
    if (head.film && this.mode === "film" && this.film.id !== head.film.id) {
      this.film.id = head.film.id;
      this.film.take(decodeFrames(head.film, blobs.film), head.film);
    }
    this.update();
    this.request();
    this.refs.wrap.dataset.ready = "true";
    this.refs.wrap.dataset.answered = head.n;
    if (this.unsent && !this.flying) this.tell(this.unsent);
  }

  takeState(state, afresh) {
    this.state = state;
    if (afresh || !this.history) this.history = new History(state);
    else this.history.push(state);
  }

  listen() {
    const { wrap, modes, video, undo, redo, reset } = this.refs;
    modes.addEventListener("click", (e) => { if (e.target.dataset.mode) this.setMode(e.target.dataset.mode); });
    video.addEventListener("click", () => this.setMode(this.mode === "film" ? "place" : "film"));
    undo.addEventListener("click", () => this.travel(-1));
    redo.addEventListener("click", () => this.travel(1));
    reset.addEventListener("click", () => { this.place(UPRIGHT[this.head.kind]); this.commit(); });
    wrap.addEventListener("keydown", (e) => this.onKey(e));
  }

  onKey(event) {
    const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
    const turns = { q: [TURN_BY, 1], e: [-TURN_BY, 1], "+": [0, SCALE_BY], "=": [0, SCALE_BY], "-": [0, 1 / SCALE_BY] };
    const act = control && key === "z" ? () => this.travel(event.shiftKey ? 1 : -1)
      : control && key === "y" ? () => this.travel(1)
        : !control && !event.altKey && this.mode === "place" && turns[key]
          ? () => { this.turn(...turns[key]); this.commitSoon(); } : null;
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  setMode(mode, told = true) {
    this.film.stop();
    this.mode = mode;
    this.film.id = null;
    if (mode === "film") {
      this.film.drop();
      this.tell("done");
    } else if (told) this.tell("done");
    this.update();
    this.request();
  }

  /** The digit's placement that a hand wants: where it cannot be, the last good one stays and a sentence says why. */
  place(numbers) {
    const wrong = placingFault(this.head, numbers);
    this.say(wrong && `${wrong} The last good place stays.`);
    if (wrong) return;
    this.state = { ...this.state, numbers: numbers.map(thousandth) };
    this.moved();
  }

  placePiece(k, place) {
    this.state = { ...this.state, places: this.state.places.map((old, i) => (i === k ? place : old)) };
    this.moved();
  }

  turn(degrees, factor) { this.place(placingTurned(this.head, this.state.numbers, degrees, factor)); }

  moved() {
    this.request();
    this.tell("moving");
  }

  drew() { this.moved(); }

  /** The hand let go: one more state to come back to, and Python is told for good. */
  commit() {
    clearTimeout(this.soon);
    if (this.mode === "draw") this.drawing.settle();
    else this.history.push(this.state);
    this.update();
    this.request();
    this.tell("done");
  }

  commitSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { if (!this.dead) this.commit(); }, KEYS_JOIN);
  }

  travel(step) {
    if (this.mode === "film") return;
    if (this.mode === "draw") this.drawing.travel(step);
    else {
      this.history.push(this.state);
      this.state = this.history.go(step);
    }
    this.say("");
    this.update();
    this.request();
    this.tell("done");
  }

  /** Tell Python what is shown; while it has not answered the last message, remember that there is more to tell. */
  tell(what) {
    if (!this.head) return;
    if (this.flying && performance.now() - this.flying.at < LOST) {
      this.unsent = this.unsent === "done" ? "done" : what;
      clearTimeout(this.late);
      this.late = setTimeout(() => { if (!this.dead && this.unsent) this.tell(this.unsent); }, LOST);
      return;
    }
    this.unsent = null;
    this.lastTold = Math.max(Date.now(), (this.lastTold ?? 0) + 1);
    this.flying = { n: this.lastTold, at: performance.now() };
    const { head: { task, digit }, state: { numbers, places }, mode } = this;
    const drawn = mode === "draw" ? asText(this.drawing.pad.bytes()) : null;
    this.send("moved", { task, digit, numbers, places, drawn, film: mode === "film", done: what === "done", n: this.lastTold });
  }

  /** Draw with the next frame. */
  request() { this.pending ||= requestAnimationFrame(() => this.render()); }

  render() {
    this.pending = 0;
    if (this.dead || !this.head) return;
    const film = this.mode === "film" && this.film.frame, frame = film || this.frame;
    if (!film) this.levels = drawCanvas(this.digit, this.head, this.state.numbers, { cut: this.cut, places: this.state.places });
    this.scene.draw(film ? film.input : this.levels, frame);
    this.answer.show(frame, this.head.truth);
    this.sayPose();
  }

  /** What the hand did to the digit, where that is a pose. */
  sayPose() {
    const { pose, poseOf } = this.refs, { numbers } = this.state;
    poseOf.hidden = this.mode !== "place" || this.head.kind !== "pose";
    pose.textContent = poseOf.hidden ? "" : poseText(numbers);
  }

  say(words) {
    const { said } = this.refs;
    if (said.textContent !== words) said.textContent = words;
  }

  update() {
    const { wrap, heading, modes, drawTools, filmTools, video, undo, redo, reset } = this.refs, { mode, head } = this;
    wrap.dataset.mode = mode;
    modes.hidden = !head?.draws;
    for (const button of modes.children) button.setAttribute("aria-pressed", button.dataset.mode === mode);
    heading.textContent = mode === "draw" ? "Your pad, 28 x 28 pixels" : "The network's input";
    video.setAttribute("aria-pressed", mode === "film");
    video.textContent = mode === "film" ? "back to the hand" : "▶ play the video";
    video.disabled = !head?.live;
    drawTools.hidden = mode !== "draw";
    filmTools.hidden = mode !== "film";
    const past = mode === "draw" ? this.drawing.history : this.history;
    undo.disabled = mode === "film" || !past?.canUndo;
    redo.disabled = mode === "film" || !past?.canRedo;
    reset.disabled = mode !== "place" || !this.state || isUpright(head.kind, this.state.numbers);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  const { head, end } = readFrame(data), old = parentElement.digit;
  if (old && (old.key !== head.key || !old.refs.wrap.isConnected)) old.destroy();
  if (!old || old.dead) parentElement.digit = new Digit(parentElement, head.key);
  parentElement.digit.receive(head, data, end, setStateValue);
  return () => parentElement.digit.destroy();
}
