import { readdirSync, readFileSync } from 'node:fs'

/** What a process holds at a moment. */
export interface ProcessFacts {
  /** Memory of its own, in MiB, without what is mapped from files. */
  readonly anonymousMiB: number
  /** Open files, sockets included. */
  readonly handles: number
  readonly threads: number
}

export function factsOf(pid: number): ProcessFacts {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
  return {
    anonymousMiB: number('RssAnon') / 1024,
    handles: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
  }
}

/** Files, directories and links below a directory. */
export function countBelow(directory: string): number {
  return readdirSync(directory, { recursive: true }).length
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The slope of a straight line through points, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (pick: 0 | 1): number =>
    points.reduce((sum, point) => sum + point[pick], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return over / under
}
