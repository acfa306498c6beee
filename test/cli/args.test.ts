import { expect, test } from 'vitest'
import { parseArguments } from '../../src/cli/args.ts'
import { commands } from '../../src/cli/commands.ts'
import { report } from '../../src/cli/report.ts'
import { exitCode } from '../../src/core/exit-code.ts'
import { ConfigError, ConjurError, UsageError } from '../../src/core/errors.ts'

function refused(argv: readonly string[]): { message: string; hint: string } {
  try {
    parseArguments(argv, {})
  } catch (error) {
    if (error instanceof UsageError) return { message: error.message, hint: error.hint }
    throw error
  }
  throw new Error('it was not refused')
}

test('no words at all mean run', () => {
  expect(parseArguments([], {})).toMatchObject({ command: 'run', flags: {} })
})

test('flags are read with = and with a space, switches without a value', () => {
  const { command, flags } = parseArguments(
    ['status', '--status-directory=/s', '--json', '--log-level', 'debug'],
    {},
  )

  expect(command).toBe('status')
  expect(flags).toEqual({ 'status-directory': '/s', json: true, 'log-level': 'debug' })
})

test('every setting is a flag of the commands that take settings', () => {
  const { flags } = parseArguments(['sidecar', '--secrets-refresh-interval', '30s'], {})

  expect(flags).toEqual({ 'secrets-refresh-interval': '30s' })
})

test.each(Object.keys(commands))('%s --help leads to its help', (command) => {
  expect(parseArguments([command, '--help'], {})).toMatchObject({
    command: 'help',
    positionals: [command],
  })
})

test.each([
  [['sidecra'], 'there is no command sidecra', 'did you mean conjur-agent sidecar?'],
  [['xyz'], 'there is no command xyz', 'conjur-agent --help lists the commands'],
  [['status', '--jsn'], 'status has no flag --jsn', 'did you mean --json?'],
  [['sidecar', '--confg', 'x'], 'sidecar has no flag --confg', 'did you mean --config?'],
  [
    ['status', '--status-directory'],
    "status: Option '--status-directory <value>' argument missing",
    'conjur-agent status --help shows what it takes',
  ],
])('P6 %j is refused in two lines', (argv, message, hint) => {
  expect(refused(argv)).toEqual({ message, hint })
})

test('P5 an error is one line with its code, its facts under a rule, and a hint', () => {
  const error = new ConfigError('CONFIG_INVALID', '2 problems; nothing was sent', {
    hint: 'look there',
    lines: ['environment  A  is wrong', 'environment  B  is wrong'],
  })

  expect(report(error)).toBe(
    'CONFIG_INVALID: 2 problems; nothing was sent\n│ environment  A  is wrong\n│ environment  B  is wrong\nhint: look there\n',
  )
  expect(exitCode(error)).toBe(3)
})

test('P2 a foreign error shows its kind and not its text, which may hold anything', () => {
  const shown = report(new TypeError('canary'))

  expect(shown).not.toContain('canary')
  expect(exitCode(new TypeError('canary'))).toBe(1)
  expect(exitCode(new ConjurError('CONJUR_UNREACHABLE', 'm', { hint: 'h' }))).toBe(5)
})
