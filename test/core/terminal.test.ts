import { expect, test } from 'vitest'
import { terminalFor, type Surroundings } from '../../src/core/terminal.ts'

const aTerminal: Surroundings = {
  isTerminal: true,
  columns: 100,
  environment: { LANG: 'C.UTF-8', TERM: 'xterm' },
  color: undefined,
}

function red(surroundings: Partial<Surroundings>): string {
  return terminalFor({ ...aTerminal, ...surroundings }).paint('red', 'x')
}

const RED = '\u001B[31mx\u001B[39m'

test.each([
  ['a terminal', {}, RED],
  ['no terminal', { isTerminal: false }, 'x'],
  ['a dumb terminal', { environment: { TERM: 'dumb' } }, 'x'],
  ['NO_COLOR', { environment: { NO_COLOR: '1' } }, 'x'],
  ['an empty NO_COLOR', { environment: { NO_COLOR: '' } }, RED],
  ['NO_COLOR before FORCE_COLOR', { environment: { NO_COLOR: '1', FORCE_COLOR: '1' } }, 'x'],
  ['FORCE_COLOR into a pipe', { isTerminal: false, environment: { FORCE_COLOR: '1' } }, RED],
  ['--color=always before NO_COLOR', { color: 'always', environment: { NO_COLOR: '1' } }, RED],
  ['--color=never', { color: 'never' }, 'x'],
])('colour: %s', (_, surroundings, expected) => {
  expect(red(surroundings)).toBe(expected)
})

test.each([
  [{ LANG: 'de_DE.UTF-8' }, '✓'],
  [{ LC_ALL: 'POSIX', LANG: 'de_DE.UTF-8' }, 'ok'],
  [{ LANG: 'C' }, 'ok'],
  [{}, '✓'],
])('symbols follow the locale %j', (environment, expected) => {
  expect(terminalFor({ ...aTerminal, environment }).symbols.done).toBe(expected)
})

test.each([
  [true, 40, 60],
  [true, 100, 100],
  [true, 300, 120],
  [true, undefined, 80],
  [false, 100, undefined],
])('width of a stream (terminal: %s, %s columns) is %s', (isTerminal, columns, expected) => {
  expect(terminalFor({ ...aTerminal, isTerminal, columns }).width).toBe(expected)
})
