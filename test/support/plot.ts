/** A curve over one x axis; all curves of a plot share the y axis. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface PlotOptions {
  readonly title: string
  /** What the x axis counts. */
  readonly x: string
  readonly curves: readonly Curve[]
}

const WIDTH = 720
const HEIGHT = 320
const LEFT = 48
const TOP = 40
const RIGHT = 16
const BOTTOM = 72
/** To be told apart by those who see no red or green, on white and on black. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7']

/** A line plot as SVG text, from nought upwards. */
export function plot({ title, x, curves }: PlotOptions): string {
  const all = curves.flatMap(({ points }) => points)
  const maxX = Math.max(...all.map(([at]) => at), 1e-9)
  const maxY = niceAbove(Math.max(...all.map(([, value]) => value), 1e-9))
  const px = (at: number): number => LEFT + (at / maxX) * (WIDTH - LEFT - RIGHT)
  const py = (value: number): number => HEIGHT - BOTTOM - (value / maxY) * (HEIGHT - TOP - BOTTOM)
  const ticks = [0, 1, 2, 3, 4]
  const grid = ticks.map((tick) => {
    const value = (maxY * tick) / 4
    const y = py(value).toFixed(1)
    return `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="#999" stroke-opacity=".3"/><text x="${LEFT - 6}" y="${y}" text-anchor="end" dominant-baseline="middle">${label(value)}</text>`
  })
  const below = ticks.map((tick) => {
    const at = (maxX * tick) / 4
    return `<text x="${px(at).toFixed(1)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${label(at)}</text>`
  })
  const lines = curves.map(({ points }, index) => {
    const path = points.map(([at, value]) => `${px(at).toFixed(1)} ${py(value).toFixed(1)}`)
    return `<path d="M${path.join('L')}" fill="none" stroke="${COLOURS[index % COLOURS.length]}" stroke-width="1.5"/>`
  })
  const names = curves.map(
    ({ name }, index) =>
      `<text x="${LEFT + index * 220}" y="${HEIGHT - 12}" fill="${COLOURS[index % COLOURS.length]}">${escaped(name)}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui,sans-serif" font-size="12" fill="#777" role="img" aria-label="${escaped(title)}">`,
    `<text x="${LEFT}" y="20" font-size="14">${escaped(title)}</text>`,
    ...grid,
    ...below,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - BOTTOM + 32}" text-anchor="end">${escaped(x)}</text>`,
    ...lines,
    ...names,
    '</svg>',
    '',
  ].join('\n')
}

function niceAbove(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 5, 8, 10].find((step) => step * unit >= value) ?? 10) * unit
}

function label(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
