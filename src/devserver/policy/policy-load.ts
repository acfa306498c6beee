/** `create` adds only; `modify` may also change and delete; `replace` removes what it does not name. */
export type LoadMode = 'create' | 'modify' | 'replace'

/** A policy text on its way into a branch. */
export interface PolicyLoad {
  readonly text: string
  /** What to call the text in errors and explanations. */
  readonly file: string
  /** The full id of the policy it is loaded into. */
  readonly policy: string
  readonly mode: LoadMode
  readonly now: number
  /** The full id of who loads it. */
  readonly role: string
  readonly clientIp: string
}

/** The same, with its moment as the API writes it. */
export interface DatedLoad extends PolicyLoad {
  readonly createdAt: string
}
