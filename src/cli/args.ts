import { parseArgs } from 'node:util'
import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { nearest } from '../core/nearest.ts'
import { commands, everywhere, type Command, type CommandName, type Flag } from './commands.ts'

/** Reads a command line. Throws a UsageError that names the word it stumbles over, and the nearest known one. */
export function parseArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Invocation<CommandName> {
  const [first] = argv
  if (first === '--version') return { command: 'version', flags: {}, positionals: [], environment }
  if (first === '-h' || first === '--help') {
    return { command: 'help', flags: {}, positionals: [], environment }
  }
  const named = first !== undefined && !first.startsWith('-')
  const command = named ? known(first) : 'run'
  const words = named ? argv.slice(1) : argv
  const { values, positionals } = parse(command, words)
  if (values['help'] === true)
    return { command: 'help', flags: {}, positionals: [command], environment }
  return { command, flags: values, positionals, environment }
}

function known(word: string): CommandName {
  if (isCommand(word)) return word
  const guess = nearest(word, Object.keys(commands))
  throw new UsageError('USAGE', `there is no command ${word}`, {
    hint:
      guess === undefined
        ? 'conjur-agent --help lists the commands'
        : `did you mean conjur-agent ${guess}?`,
  })
}

function isCommand(word: string): word is CommandName {
  return Object.hasOwn(commands, word)
}

function parse(
  command: CommandName,
  words: readonly string[],
): { values: Record<string, string | boolean>; positionals: readonly string[] } {
  const takes: Command = commands[command]
  const flags: Readonly<Record<string, Flag>> = { ...everywhere, ...takes.flags }
  const names = longFlags(words)
  for (const name of names) {
    if (Object.hasOwn(flags, name)) continue
    const guess = nearest(name, Object.keys(flags))
    if (takes.settings !== true || guess !== undefined) throw unknownFlag(command, name, guess)
  }
  const settings = names.filter((name) => !Object.hasOwn(flags, name))
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      {
        type: flag.value === undefined ? ('boolean' as const) : ('string' as const),
        ...(flag.short ? { short: flag.short } : {}),
      },
    ]),
  )
  try {
    const parsed = parseArgs({
      args: [...words],
      options: {
        ...options,
        ...Object.fromEntries(settings.map((name) => [name, { type: 'string' as const }])),
      },
      allowPositionals: takes.positionals !== undefined,
      strict: true,
    })
    const values: Record<string, string | boolean> = {}
    for (const [name, value] of Object.entries(parsed.values)) {
      if (typeof value === 'string' || typeof value === 'boolean') values[name] = value
    }
    return { values, positionals: parsed.positionals }
  } catch (error) {
    const [message] = error instanceof Error ? error.message.split('. ') : []
    throw new UsageError('USAGE', `${command}: ${message ?? 'the command line cannot be read'}`, {
      hint: `conjur-agent ${command} --help shows what it takes`,
    })
  }
}

function longFlags(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--')
  return (end === -1 ? words : words.slice(0, end))
    .filter((word) => word.startsWith('--'))
    .map((word) => word.slice(2).split('=', 1)[0] ?? '')
}

function unknownFlag(command: string, name: string, guess: string | undefined): UsageError {
  return new UsageError('USAGE', `${command} has no flag --${name}`, {
    hint:
      guess === undefined
        ? `conjur-agent ${command} --help lists its flags`
        : `did you mean --${guess}?`,
  })
}
