import type { Symbols } from '../core/terminal.ts'
import type { VolumeEntry } from './volume.ts'

/** What the agent says of a file: its kind, and how many values it holds. */
export interface Kind {
  readonly kind: string
  readonly values: number
}

/** What a picture of the volume is drawn from. */
export interface Picture {
  readonly directory: string
  readonly entries: Iterable<VolumeEntry>
  /** By file name. */
  readonly kinds: ReadonlyMap<string, Kind>
  /** Of the access token, in milliseconds. */
  readonly tokenLeftMs: number
}

/** The volume as a tree, a line each: names, kinds, sizes and modes; never a value. */
export function drawTree(picture: Picture, symbols: Symbols): readonly string[] {
  const rows = [...picture.entries].map((entry) => row(entry, picture, symbols))
  const isPlain = symbols.rule === '|'
  const [branch, last] = isPlain ? ['|-- ', '`-- '] : ['├── ', '└── ']
  return [
    picture.directory,
    ...rows.map((text, index) => `${index === rows.length - 1 ? last : branch}${text}`),
  ]
}

/** `-rw-r-----` */
export function modeText(mode: number): string {
  const bits = Array.from('rwxrwxrwx', (letter, index) => (mode & (0o400 >> index) ? letter : '-'))
  return `-${bits.join('')}`
}

function row(entry: VolumeEntry, { kinds, tokenLeftMs }: Picture, symbols: Symbols): string {
  if (entry.target !== undefined) return `${entry.name} ${symbols.to} ${entry.target}`
  const { kind, values } = kinds.get(entry.name) ?? { kind: '', values: 0 }
  const start = `${entry.name.padEnd(17)}${kind.padEnd(8)}`
  if (kind === 'token') return `${start}${Math.round(tokenLeftMs / 1000)} s left`
  const count = `${values} ${values === 1 ? 'value' : 'values'}`.padEnd(12)
  return `${start}${count}${`${entry.bytes} bytes`.padEnd(11)}${modeText(entry.mode)}`
}
