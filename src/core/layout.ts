/** Rows in columns, two spaces apart; columns named in `right` end where their widest text ends. */
export function columns(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => {
          const width = widths[index] ?? 0
          return right.includes(index) ? cell.padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A span as people say it: the two largest units, `3 d 4 h`, `5 min 12 s`, `41 s`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ]
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0 s'
  let rest = seconds
  const parts = units.slice(first, first + 2).map(([name, size]) => {
    const count = Math.floor(rest / size)
    rest %= size
    return count === 0 ? '' : `${count} ${name}`
  })
  return parts.filter((part) => part !== '').join(' ')
}
