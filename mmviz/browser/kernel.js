// Questions to the kernel, and their answers. Each has a number and ten seconds.

const PATIENCE = 10_000; // ms
const SILENT = "The kernel does not answer. What the stage has goes on working; run the cell again for the rest.";
const ALONE = "This page has no kernel: states and views that are not stored in it cannot be shown.";

export class Kernel {
  /**
   * @param {((message: any) => void) | undefined} send undefined: there is no kernel
   * @param {() => boolean} [isThere] whether the kernel that made the stage is still connected
   */
  constructor(send, isThere = () => true) {
    this.send = send;
    this.isThere = isThere;
    this.questions = 0;
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout>}>} */
    this.waiting = new Map();
  }

  /**
   * The promise fails when the kernel cannot be asked, does not answer in time, or answers with an error.
   * @param {any} message
   * @param {number} [patience] ms
   * @returns {Promise<any>}
   */
  ask(message, patience = PATIENCE) {
    const { send } = this;
    if (!send) return Promise.reject(new Error(ALONE));
    if (!this.isThere()) return Promise.reject(new Error(SILENT));
    const id = ++this.questions;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(id), patience);
      this.waiting.set(id, { resolve, reject, timer });
      try {
        Promise.resolve(send({ ...message, id })).catch(() => this.fail(id));
      } catch {
        this.fail(id);
      }
    });
  }

  /** @param {number} id */
  fail(id) {
    const question = this.waiting.get(id);
    if (!question) return;
    this.waiting.delete(id);
    clearTimeout(question.timer);
    question.reject(new Error(SILENT));
  }

  /** Take an answer. Return whether it answers one of the questions, even late, without an error. @param {any} answer */
  hear(answer) {
    const question = this.waiting.get(answer.id);
    if (!question) return answer.id > 0 && answer.id <= this.questions && !answer.error;
    this.waiting.delete(answer.id);
    clearTimeout(question.timer);
    if (answer.error) question.reject(new Error(answer.error));
    else question.resolve(answer);
    return !answer.error;
  }

  close() {
    for (const question of this.waiting.values()) clearTimeout(question.timer);
    this.waiting.clear();
  }
}
