import { problemOf, type Note, type Problem } from './problems.ts'
import { Unfit, type Setting } from './setting.ts'
import { settings } from './settings.ts'
import type { Sources } from './sources.ts'

/** Takes the value of one setting; what is wrong with it is noted as a problem. */
export interface Take {
  <T>(setting: Setting<T> & { readonly default: string }): T
  <T>(setting: Setting<T>): T | undefined
}

/** Makes a {@link Take}: the strongest source wins, and where two spoke a note says which. */
export function reader(found: Sources, into: { problems: Problem[]; notes: Note[] }): Take {
  const names = new Map<Setting<unknown>, string>(
    Object.entries(settings).map(([name, setting]) => [setting, name]),
  )
  function take<T>(setting: Setting<T> & { readonly default: string }): T
  function take<T>(setting: Setting<T>): T | undefined
  function take<T>(setting: Setting<T>): T | undefined {
    const [raw, weaker] = found.settings.get(names.get(setting) ?? '') ?? []
    if (raw !== undefined && weaker !== undefined && raw.value !== weaker.value) {
      into.notes.push({ level: 'info', text: `${raw.name} wins over ${weaker.name}` })
    }
    if (raw !== undefined) {
      const typed = String(raw.value).trim()
      const value = setting.parse(typed)
      if (!(value instanceof Unfit)) return value
      into.problems.push(problemOf(raw, `${shown(typed)} ${value.reason}`))
    }
    if (setting.default === undefined) return undefined
    const value = setting.parse(setting.default)
    if (value instanceof Unfit) throw new Error(`the default of ${setting.env} is unfit`)
    return value
  }
  return take
}

/** Long unbroken texts that name nothing: whoever types a token or a key where its file belongs must not read it in a log (P2). */
const LIKE_A_SECRET = /\/\/[^/@]*@|eyJ[\w-]{8,}|PRIVATE KEY|[\w+=-]{40,}/

/** A text as a problem quotes it: whole if short, its beginning if long, nothing of what may be a secret. */
function shown(typed: string): string {
  if (LIKE_A_SECRET.test(typed)) return 'what is set there'
  const line = typed.split('\n', 1)[0] ?? ''
  return line.length > 60 || line !== typed ? `"${line.slice(0, 57)}…"` : `"${line}"`
}
