/**
 * A template that cannot be read or rendered.
 *
 * The message holds words of the template and names of types, never a value. Whoever catches it
 * adds where the template came from.
 */
export class TemplateError extends Error {
  /** `parse`: the text is no template. `render`: it fails with the values it was given. */
  readonly stage: 'parse' | 'render'
  /** From 1, in lines and in characters. */
  readonly line: number
  readonly column: number
  /** The alias that `secret` was asked for in vain. */
  readonly missing: string | undefined

  constructor(stage: 'parse' | 'render', message: string, place: Place) {
    super(message)
    this.name = 'TemplateError'
    this.stage = stage
    this.missing = place.missing
    const before = place.text.slice(0, place.at)
    this.line = before.split('\n').length
    this.column = Array.from(before.slice(before.lastIndexOf('\n') + 1)).length + 1
  }
}

export interface Place {
  /** The whole template. */
  readonly text: string
  /** An index into it. */
  readonly at: number
  readonly missing?: string | undefined
}
