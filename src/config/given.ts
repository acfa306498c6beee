import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../core/errors.ts'
import { settings } from './settings.ts'
import type { Given } from './sources.ts'

/** What a command line and an environment hold for the settings. */
export interface Typed {
  readonly flags: Readonly<Record<string, string | boolean>>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Everything outside the process that a configuration is made of, and the files it was read from. */
export interface GivenFromFiles extends Given {
  /** A change of one of them is worth reading the configuration again. */
  readonly files: readonly string[]
}

/** Flags that are not settings. */
const COMMAND_FLAGS: readonly string[] = ['config', 'color', 'help', 'json']

const LARGEST_FILE = 4 * 1024 * 1024

/** Reads the config file, if one is named, and the annotations file, if there is one. Throws a ConfigError. */
export async function readGiven({ flags, environment }: Typed): Promise<GivenFromFiles> {
  const named = textOf(flags['config']) ?? textOf(environment['CONJUR_CONFIG_FILE'])
  const file = named === undefined ? undefined : await readConfigFile(named)
  const fromFile: unknown =
    typeof file === 'object' && file !== null && 'annotationsFile' in file
      ? file.annotationsFile
      : undefined
  const annotationsFile =
    textOf(flags['annotations-file']) ??
    textOf(environment[settings.annotationsFile.env]) ??
    textOf(fromFile) ??
    settings.annotationsFile.default
  const annotations = existsSync(annotationsFile)
    ? await readText(annotationsFile, settings.annotationsFile.env)
    : undefined
  return {
    flags: Object.fromEntries(
      Object.entries(flags).filter(([name]) => !COMMAND_FLAGS.includes(name)),
    ),
    environment,
    annotations,
    file,
    files: [
      ...(named === undefined ? [] : [named]),
      ...(existsSync(dirname(annotationsFile)) ? [annotationsFile] : []),
    ],
  }
}

async function readConfigFile(path: string): Promise<unknown> {
  const text = await readText(path, '--config')
  try {
    if (/^\s*\{/.test(text)) return JSON.parse(text.trim())
    const { parse } = await import('yaml')
    return parse(text, { schema: 'failsafe', prettyErrors: false, maxAliasCount: 10 })
  } catch (error) {
    // A parser's message quotes the text it stumbles over; only where it stands is passed on.
    const place =
      error instanceof Error ? /line \d+|position \d+/.exec(error.message)?.[0] : undefined
    const where = place === undefined ? '' : ` (${place})`
    throw unreadable(path, `is neither YAML nor JSON${where}`, '--config')
  }
}

async function readText(path: string, setting: string): Promise<string> {
  try {
    const bytes = await readBytes(path)
    if (bytes.length <= LARGEST_FILE) return bytes.toString('utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw unreadable(path, `cannot be read: ${code}`, setting)
  }
  throw unreadable(path, 'is larger than 4 MiB', setting)
}

/** A regular file is there at once; what might keep us waiting, a pipe say, must not keep a signal waiting too (P7). */
async function readBytes(path: string): Promise<Buffer> {
  if (statSync(path).isFile()) return readFileSync(path)
  const { readFile } = await import('node:fs/promises')
  return readFile(path)
}

function unreadable(path: string, why: string, setting: string): ConfigError {
  return new ConfigError('CONFIG_UNREADABLE', `${path} ${why}`, {
    hint: `ls -l ${path}, as the user that runs conjur-agent; it is named by ${setting}`,
    facts: { path },
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}
