import { readFileSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { errorNumber } from './output-failure.ts'

/**
 * The processes of a name, as far as this one sees them (in a pod: with shareProcessNamespace).
 *
 * Of a program that runs as master and workers only the master is named: a process whose parent
 * has the same name is left to its parent.
 */
export function findProcesses(name: string, procDirectory = '/proc'): number[] {
  const named = new Map<number, number>()
  for (const entry of readdirSync(procDirectory)) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
    const found = look(`${procDirectory}/${entry}`)
    if (found?.names.includes(name)) named.set(Number(entry), found.parent)
  }
  return [...named].filter(([, parent]) => !named.has(parent)).map(([pid]) => pid)
}

/** The process id in a file; undefined where there is no such file or it holds none. */
export function readPidFile(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim()
    // 0 and negative numbers would reach whole groups of processes.
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return undefined
  }
}

function look(directory: string): { names: readonly string[]; parent: number } | undefined {
  try {
    const stat = readFileSync(`${directory}/stat`, 'utf8')
    // pid (comm) state ppid …, where comm may hold anything, parentheses and spaces too.
    const end = stat.lastIndexOf(')')
    const comm = stat.slice(stat.indexOf('(') + 1, end)
    const [, parent = '0'] = stat.slice(end + 2).split(' ')
    const [program = ''] = readFileSync(`${directory}/cmdline`, 'utf8').split('\0', 1)
    return { names: [comm, basename(program)], parent: Number(parent) }
  } catch (error) {
    // It has ended meanwhile, or is none of ours.
    if (errorNumber(error) === undefined) throw error
    return undefined
  }
}
