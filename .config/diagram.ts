import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Theme } from './picture.ts'

/*
 * The diagrams of the pages, drawn from docs/pictures/*.diagram by `node .config/diagram.ts`.
 *
 *   title what it shows, for who cannot see it
 *   box ID COLUMN ROW first line | second line
 *   arrow FROM TO verb            a dashed one (`credential FROM TO noun`) carries a credential
 */

interface Box {
  readonly column: number
  readonly row: number
  readonly lines: readonly string[]
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly label: string
  readonly isCredential: boolean
}

/** A diagram as its text says it. */
export interface Diagram {
  readonly title: string
  readonly boxes: ReadonlyMap<string, Box>
  readonly arrows: readonly Arrow[]
}

const FOLDER = new URL('../docs/pictures/', import.meta.url)
const BOX = { width: 192, height: 62, gapX: 128, gapY: 62 }
const MARGIN = 14
/** Room left of an arrow's end for its head. */
const HEAD = 9

const palettes = {
  light: {
    back: '#ffffff',
    box: '#f6f8fa',
    rim: '#8c959f',
    text: '#1f2328',
    soft: '#59636e',
    key: '#8250df',
  },
  dark: {
    back: '#0d1117',
    box: '#161b22',
    rim: '#6e7681',
    text: '#e6edf3',
    soft: '#9198a1',
    key: '#d2a8ff',
  },
} as const

/** Every diagram of docs/pictures, by name. */
export function diagrams(): ReadonlyMap<string, string> {
  const sources = readdirSync(FOLDER).filter((name) => name.endsWith('.diagram'))
  return new Map(
    sources.map((name) => [
      basename(name, '.diagram'),
      readFileSync(new URL(name, FOLDER), 'utf8'),
    ]),
  )
}

/** Reads a diagram; throws at a line that says nothing, and at an arrow to nowhere. */
export function readDiagram(text: string): Diagram {
  const boxes = new Map<string, Box>()
  const arrows: Arrow[] = []
  let title = ''
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [word = '', ...rest] = line.split(' ')
    if (word === 'title') {
      title = rest.join(' ')
    } else if (word === 'box') {
      const [id = '', column, row, ...words] = rest
      const lines = words.join(' ').split(' | ')
      boxes.set(id, { column: Number(column), row: Number(row), lines })
    } else if (word === 'arrow' || word === 'credential') {
      const [from = '', to = '', ...words] = rest
      arrows.push({ from, to, label: words.join(' '), isCredential: word === 'credential' })
    } else {
      throw new Error(`no diagram has the line ${line}`)
    }
  }
  for (const { from, to } of arrows) {
    if (!boxes.has(from) || !boxes.has(to)) throw new Error(`no box for the arrow ${from} ${to}`)
  }
  return { title, boxes, arrows }
}

/** The diagram as SVG: no script, no link, no font of its own. */
export function drawDiagram(diagram: Diagram, theme: Theme): string {
  const { title, boxes, arrows } = diagram
  const color = palettes[theme]
  const all = [...boxes.values()]
  const width = right(Math.max(...all.map(({ column }) => column))) + MARGIN
  const height = bottom(Math.max(...all.map(({ row }) => row))) + MARGIN
  const drawnArrows = arrows.map((arrow) => drawArrow(arrow, diagram, theme))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;text-anchor:middle;fill:${color.text}}.s{font-size:12px;fill:${color.soft}}.l{font-size:12px;paint-order:stroke;stroke:${color.back};stroke-width:5px;stroke-linejoin:round}</style>
<rect width="${width}" height="${height}" rx="8" fill="${color.back}"/>
${drawnArrows.join('\n')}
${all.map((box) => drawBox(box, theme)).join('\n')}
</svg>
`
}

const left = (column: number): number => MARGIN + column * (BOX.width + BOX.gapX)
const top = (row: number): number => MARGIN + row * (BOX.height + BOX.gapY)
const right = (column: number): number => left(column) + BOX.width
const bottom = (row: number): number => top(row) + BOX.height

function drawBox({ column, row, lines }: Box, theme: Theme): string {
  const color = palettes[theme]
  const x = left(column) + BOX.width / 2
  const first = top(row) + BOX.height / 2 + (lines.length === 1 ? 5 : -4)
  const texts = lines.map(
    (line, index) =>
      `<text x="${x}" y="${first + index * 19}"${index === 0 ? '' : ' class="s"'}>${escaped(line)}</text>`,
  )
  return `<rect x="${left(column)}" y="${top(row)}" width="${BOX.width}" height="${BOX.height}" rx="6" fill="${color.box}" stroke="${color.rim}"/>${texts.join('')}`
}

function drawArrow(arrow: Arrow, diagram: Diagram, theme: Theme): string {
  const color = palettes[theme]
  const stroke = arrow.isCredential ? color.key : color.rim
  const [start, end] = ends(arrow, diagram)
  const angle = Math.atan2(end.y - start.y, end.x - start.x)
  const tip = (turn: number): string =>
    `${(end.x - HEAD * Math.cos(angle + turn)).toFixed(1)},${(end.y - HEAD * Math.sin(angle + turn)).toFixed(1)}`
  const dashes = arrow.isCredential ? ' stroke-dasharray="5 4"' : ''
  const x = (start.x + end.x) / 2
  const y = (start.y + end.y) / 2 + (Math.abs(Math.sin(angle)) < 0.1 ? -8 : 4)
  return `<line x1="${start.x}" y1="${start.y}" x2="${end.x}" y2="${end.y}" stroke="${stroke}" stroke-width="1.6"${dashes}/><path d="M${end.x},${end.y} ${tip(0.45)} ${tip(-0.45)}z" fill="${stroke}"/><text x="${x}" y="${y}" class="l"${arrow.isCredential ? ` style="fill:${color.key}"` : ''}>${escaped(arrow.label)}</text>`
}

interface Point {
  readonly x: number
  readonly y: number
}

/** Where an arrow leaves one box and meets the other. */
function ends({ from, to }: Arrow, { boxes, arrows }: Diagram): readonly [Point, Point] {
  const a = boxes.get(from) ?? { column: 0, row: 0, lines: [] }
  const b = boxes.get(to) ?? a
  // There and back run side by side.
  const isBothWays = arrows.some((arrow) => arrow.from === to && arrow.to === from)
  const aside = isBothWays ? (from < to ? -13 : 13) : 0
  if (a.column === b.column) {
    const goesDown = a.row < b.row
    const x = left(a.column) + BOX.width / 2 + aside
    return [
      { x, y: goesDown ? bottom(a.row) : top(a.row) },
      { x, y: goesDown ? top(b.row) : bottom(b.row) },
    ]
  }
  const goesRight = a.column < b.column
  const y = (box: Box): number => top(box.row) + BOX.height / 2 + aside
  return [
    { x: goesRight ? right(a.column) : left(a.column), y: y(a) },
    { x: goesRight ? left(b.column) : right(b.column), y: y(b) },
  ]
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

if (import.meta.main) {
  for (const [name, text] of diagrams()) {
    for (const theme of ['light', 'dark'] as const) {
      const file = new URL(`${name}-${theme}.svg`, FOLDER)
      writeFileSync(file, drawDiagram(readDiagram(text), theme))
    }
  }
}
