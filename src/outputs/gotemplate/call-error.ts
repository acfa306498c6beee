/** A function of a template refuses its arguments; the evaluator adds the place. Never holds a value. */
export class CallError extends Error {
  /** The secret that was asked for and is not there. */
  readonly missing: string | undefined

  constructor(message: string, missing?: string) {
    super(message)
    this.missing = missing
  }
}
