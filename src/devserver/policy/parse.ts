import { randomUUID } from 'node:crypto'
import { LineCounter, parseDocument } from 'yaml'
import { entryTypes, PolicyInvalid, type Value } from './entry.ts'
import { createReader } from './reader.ts'
import { foldRuns, type Folded } from './runs.ts'

/**
 * Reads a policy text into its entries, in order. Throws {@link PolicyInvalid} where the text is
 * no YAML, has an unknown tag or attribute, or an attribute of the wrong type.
 */
export function parsePolicy(text: string, file: string): readonly Value[] {
  const folded = foldRuns(text, `run-${randomUUID()}`)
  if (folded.runs.size > 0) {
    const read = readText({ ...folded, file })
    if (read.unfolded === folded.runs.size) return read.values
  }
  return readText({ text, file, runs: new Map(), lineBefore: (line) => line }).values
}

interface PolicyText extends Folded {
  readonly file: string
}

function readText(given: PolicyText): { values: readonly Value[]; unfolded: number } {
  const { text, file } = given
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    customTags: tags,
    logLevel: 'error',
    uniqueKeys: false,
    schema: 'failsafe',
    prettyErrors: false,
  })
  const reader = createReader({ ...given, lines })
  const [error] = document.errors
  if (error !== undefined) {
    const at = lines.linePos(error.pos[0])
    const line = given.lineBefore(at.line)
    throw new PolicyInvalid(error.message, { line, column: at.col, place: { file, line } })
  }
  return { values: reader.top(document.contents), unfolded: reader.unfolded() }
}

/** Tells the parser that our tags are known, so that it builds no warning for every node. */
const tags = [...Object.keys(entryTypes), 'host_factory'].flatMap((name) => [
  { tag: `!${name}`, resolve: (text: string) => text },
  { tag: `!${name}`, collection: 'map' as const },
])
