import { execFileSync, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

/** Whether a program can be run on this machine; a test that needs it is skipped where not. */
export function isThere(program: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/** The values that a shell has after sourcing a file, as bytes in the order of the names. */
export function sourced(shell: string, file: string, names: readonly string[]): Buffer[] {
  const print = names.map((name) => `"$${name}"`).join(' ')
  const out = execFileSync(shell, ['-c', `. "$0"; printf '%s\\0' ${print}`, file], {
    cwd: dirname(file),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
    maxBuffer: 1 << 28,
  })
  return out
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map((value) => Buffer.from(value, 'latin1'))
}

/** What a Python expression over the path `file` gives, by way of JSON. */
export function python(expression: string, file: string): unknown {
  const script = `import json, sys, yaml\nfile = sys.argv[1]\njson.dump(${expression}, sys.stdout)`
  return JSON.parse(
    execFileSync('python3', ['-c', script, file], { maxBuffer: 1 << 28 }).toString(),
  )
}

/** What java.util.Properties reads, from a stream (Latin-1) or a UTF-8 reader. */
export function javaProperties(file: string, how: 'stream' | 'reader'): Record<string, string> {
  const program = join(import.meta.dirname, 'ReadProperties.java')
  const out = execFileSync('java', [program, file, how], { maxBuffer: 1 << 28 }).toString()
  const pairs = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').map((hex) => Buffer.from(hex, 'hex').toString('utf8')))
  return Object.fromEntries(pairs.map(([key, value]) => [key ?? '', value ?? '']))
}
