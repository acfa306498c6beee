import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/*
 * The README's picture of `demo`. `node .config/picture.ts record` runs the built program, keeps
 * what it said and when in docs/pictures/demo.json, and draws that; without `record` it draws what
 * is kept. What differs from run to run only by chance (a port, a directory) is masked.
 */

/** One line of a terminal: when it appeared, and its text with colour codes. */
export interface Line {
  readonly atMs: number
  readonly text: string
}

/** The terminal's background is light or dark. */
export type Theme = 'light' | 'dark'

const FOLDER = new URL('../docs/pictures/', import.meta.url)
const COMMAND = '$ npm run demo'
/** A wait longer than this is cut to it: the lines themselves say how long it was. */
const LONGEST_WAIT_MS = 2500
const COLUMN = 8.43
const ROW = 20
const MARGIN = 18

const palettes: Readonly<Record<Theme, Readonly<Record<string, string>>>> = {
  light: {
    back: '#f6f8fa',
    rim: '#d1d9e0',
    text: '#1f2328',
    32: '#116329',
    33: '#7d4e00',
    31: '#a40e26',
    2: '#59636e',
  },
  dark: {
    back: '#0d1117',
    rim: '#3d444d',
    text: '#e6edf3',
    32: '#3fb950',
    33: '#d29922',
    31: '#ff7b72',
    2: '#9198a1',
  },
}

/** The recording that is kept. */
export function recording(): readonly Line[] {
  const lines: readonly (readonly [number, string])[] = JSON.parse(
    readFileSync(new URL('demo.json', FOLDER), 'utf8'),
  )
  return lines.map(([atMs, text]) => ({ atMs, text }))
}

/** What the picture shows, as text. */
export function plainText(lines: readonly Line[]): string {
  return [COMMAND, ...lines.map(({ text }) => text.replaceAll(/\u001B\[\d+m/g, ''))].join('\n')
}

/** The picture: line after line appears as it did, then everything stays. No script, no link, no font of its own. */
export function draw(lines: readonly Line[], theme: Theme): string {
  const palette = palettes[theme]
  const shown = [{ atMs: 0, text: COMMAND }, ...lines]
  const columns = Math.max(
    ...plainText(lines)
      .split('\n')
      .map((line) => line.length),
  )
  const width = Math.ceil(columns * COLUMN + 2 * MARGIN)
  const height = shown.length * ROW + 2 * MARGIN
  const rows = shown.map(({ atMs, text }, row) => {
    const runs = painted(text)
      .map((run) => drawRun(run, palette))
      .join('')
    const y = MARGIN + (row + 0.75) * ROW
    return runs === '' ? '' : `<text y="${y}" style="animation-delay:${atMs}ms">${runs}</text>\n`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>conjur-agent demo, recorded: first set, rotation, renewal, outage, revocation, end</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;fill:${palette['text']};white-space:pre;animation:a 1ms both}
@keyframes a{from{opacity:0}to{opacity:1}}
@media (prefers-reduced-motion:reduce){text{animation:none}}
</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8" fill="${palette['back']}" stroke="${palette['rim']}"/>
${rows.join('')}</svg>
`
}

interface Run {
  readonly text: string
  readonly column: number
  /** The colour code that it stands in. */
  readonly color: string | undefined
}

/** Runs of one colour without wide gaps, each with its column, so that columns hold in any font. */
function painted(text: string): readonly Run[] {
  const runs: Run[] = []
  let column = 0
  let color: string | undefined
  for (const [index, part] of text.split(/\u001B\[(\d+)m/).entries()) {
    if (index % 2 === 1) {
      color = part in palettes.dark ? part : undefined
      continue
    }
    for (const run of part.matchAll(/\S+(?: \S+)*/g)) {
      runs.push({ text: run[0], column: column + run.index, color })
    }
    column += part.length
  }
  return runs
}

function drawRun({ text, column, color }: Run, palette: Readonly<Record<string, string>>): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const x = (MARGIN + column * COLUMN).toFixed(1)
  // A style, since the sheet's own fill would win over an attribute.
  const style = color === undefined ? '' : ` style="fill:${palette[color]}"`
  return `<tspan x="${x}" textLength="${(text.length * COLUMN).toFixed(1)}"${style}>${escaped}</tspan>`
}

/** Runs the demo's first scene, to its end. */
async function record(): Promise<readonly Line[]> {
  const demo = spawn(process.execPath, ['dist/main.js', 'demo', '--color=always'], {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, npm_lifecycle_event: 'demo' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines: Line[] = []
  let atMs = 0
  let last = performance.now()
  for await (const text of createInterface({ input: demo.stderr })) {
    const now = performance.now()
    atMs += Math.min(Math.round(now - last), LONGEST_WAIT_MS)
    last = now
    lines.push({ atMs, text: masked(text) })
    if (/ s {2}stop /.test(text)) break
  }
  demo.kill('SIGTERM')
  return lines
}

function masked(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:41893')
    .replace(/conjur-demo-\w+/, 'conjur-demo')
}

if (import.meta.main) {
  if (process.argv[2] === 'record') {
    const rows = (await record()).map(({ atMs, text }) => JSON.stringify([atMs, text]))
    writeFileSync(new URL('demo.json', FOLDER), `[\n  ${rows.join(',\n  ')}\n]\n`)
  }
  for (const theme of ['light', 'dark'] as const) {
    writeFileSync(new URL(`demo-${theme}.svg`, FOLDER), draw(recording(), theme))
  }
}
