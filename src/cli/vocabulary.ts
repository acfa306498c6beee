import { commands, everywhere, type Command, type Flag } from './commands.ts'
import { errorEntries } from './error-entries.ts'

/** One word that may be typed, with one line about it. */
export interface Word {
  readonly word: string
  readonly about: string
}

/** One flag as a shell and a manual page need it. */
export interface NamedFlag extends Flag {
  readonly name: string
}

/** One command, with the settings among its flags where it takes them. */
export interface Spoken extends Word {
  readonly flags: readonly NamedFlag[]
  readonly positionals: string | undefined
}

/** All that may be typed after `conjur-agent`. */
export interface Vocabulary {
  readonly commands: readonly Spoken[]
  /** What `help` takes beside commands. */
  readonly topics: readonly Word[]
}

/** The shells that `completion` knows. */
export const shells = ['bash', 'zsh', 'fish'] as const

/** Reads the vocabulary off the tables that parsing and help come from. */
export async function vocabulary(): Promise<Vocabulary> {
  const { spellings } = await import('../config/help.ts')
  const settingFlags = spellings().flatMap(({ flag, row }): readonly NamedFlag[] =>
    flag === undefined ? [] : [{ name: flag.slice(2), value: 'VALUE', help: row.help }],
  )
  return {
    commands: Object.entries<Command>(commands).map(([word, command]) => ({
      word,
      about: command.summary,
      positionals: command.positionals,
      flags: [
        ...named({ ...command.flags, ...everywhere }),
        ...(command.settings === true
          ? settingFlags.filter(({ name }) => !Object.hasOwn(everywhere, name))
          : []),
      ],
    })),
    topics: [
      { word: 'exit-codes', about: 'what each exit code means' },
      { word: 'settings', about: 'every setting in one line' },
      ...Object.entries(errorEntries).map(([word, { means }]) => ({ word, about: means })),
      ...spellings()
        .filter(({ flag }) => flag !== undefined)
        .map(({ env, row }) => ({ word: env, about: row.help })),
    ],
  }
}

function named(flags: Readonly<Record<string, Flag>>): readonly NamedFlag[] {
  return Object.entries(flags).map(([name, flag]) => ({ ...flag, name }))
}
