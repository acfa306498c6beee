import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseDotenv } from 'dotenv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { aliasProblem, renderList, type ListFormat } from '../../src/outputs/formats.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'
import { isThere, javaProperties, python, sourced } from './readers.ts'

type Value = string | Uint8Array

function render(format: ListFormat, values: Readonly<Record<string, Value>>): Buffer {
  return renderList(entries(values), { format, group: 'db', compatibility: 'safe' })
}

function renderAsIncumbent(format: ListFormat, values: Readonly<Record<string, Value>>): string {
  const options = { format, group: 'db', compatibility: 'secrets-provider' } as const
  return renderList(entries(values), options).toString('utf8')
}

function entries(values: Readonly<Record<string, Value>>) {
  return Object.entries(values).map(([alias, value]) => ({ alias, value: new Secret(value) }))
}

/** Pieces on which some reader of some format has stumbled. */
const nasty = fc.constantFrom(
  "'",
  '"',
  '`',
  '\\',
  '\\\\',
  '$',
  '$HOME',
  '${HOME}',
  '${',
  '}',
  '$(touch canary)',
  '#',
  ' #x',

  '`touch canary`',
  '\n',
  '\r',
  '\r\n',
  '\t',
  ' ',
  '  ',
  '!',
  '!!',
  '=',
  ':',
  ': ',
  '\\n',
  '\\r',

  "'; touch canary; '",
  '"; touch canary; "',
  '\\"',
  "\\'",
  'export ',
  '\u00a0',
  '\u0085',
  '\u2028',

  '\ufeff',
  '\u{1f600}',
  '\u{e0001}',
  '\u{f0000}',
  'é',
  '日本',
  '\0',
  '\x07',
  '\x0b',
  '\x1b',
  '\x7f',
  '\x01',

  '---',
  '...',
  '%',
  '&a',
  '*a',
  '- ',
  '? ',
  '~',
  'null',
  'true',
  '1e3',
  '<<',
  '\\u0041',
  '{{',
  '|',
  '>',
)
const text = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 8 })
  .map((pieces) => pieces.join(''))
const bytes = fc.oneof(
  text.map((value) => Buffer.from(value, 'utf8')),
  fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value)),
)
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const everyByteButNul = everyByte.subarray(1)

/** Values under the aliases V0, V1, …, so that one file and one reader serve many. */
function named<V>(values: readonly V[]): Record<string, V> {
  return Object.fromEntries(values.map((value, index) => [`V${index}`, value]))
}

function file(content: Buffer): string {
  const path = join(temporaryVolume(), 'file')
  writeFileSync(path, content)
  return path
}

describe('where the incumbent is right, the bytes are its own', () => {
  test.each([
    ['yaml', '"user": "a\\"b\\\\c"\n"password": "é\\t\\u00a0日"'],
    ['json', '{"user":"a\\"b\\\\c","password":"é\\t\\u00a0日"}'],
  ] as const)('%s', (format, expected) => {
    const written = render(format, { user: 'a"b\\c', password: 'é\t\u00a0日' })

    expect(written.toString()).toBe(expected)
    expect(renderAsIncumbent(format, { user: 'a"b\\c', password: 'é\t\u00a0日' })).toBe(expected)
  })

  test('dotenv', () => {
    const written = render('dotenv', { user: 'web $HOME é', password: 'two\nlines' })

    expect(written.toString()).toBe('user="web $HOME é"\npassword="two\\nlines"')
  })

  test('bash', () => {
    const written = render('bash', { user: 'a"b\\c é', password: 'correct horse' })

    expect(written.toString()).toBe('export user="a\\"b\\\\c é"\nexport password="correct horse"')
  })

  test('a file without entries', () => {
    const written = (['yaml', 'json', 'dotenv', 'bash', 'properties'] as const).map((format) =>
      render(format, {}).toString(),
    )

    expect(written).toEqual(['', '{}', '', '', ''])
  })
})

describe('where it is not, the value is still read back', () => {
  test.each([
    ['bash', 'x$(touch F)y', `export v='x$(touch F)y'`],
    ['bash', "it's $5\n", `export v='it'\\''s $5\n'`],
    ['json', '\0\x07\x0b\x1b\x7f', '{"v":"\\u0000\\u0007\\u000b\\u001b\\u007f"}'],
    ['json', '\u{e0001}', '{"v":"\\udb40\\udc01"}'],
    ['json', '\\a\\v\\x41', '{"v":"\\\\a\\\\v\\\\x41"}'],
    ['dotenv', 'a\\b"c', `v='a\\b"c'`],
    ['dotenv', `it's`, `v="it's"`],
    ['dotenv', `'a' "b" \\\\`, 'unfit'],
    ['dotenv', `a'b"c\\\\d`, `v=a'b"c\\\\d`],
    ['properties', ' a=b:c\\d é\n', 'v=\\ a=b:c\\\\d \\u00e9\\n'],
  ] as const)('%s of %j', (format, value, expected) => {
    const written = attempt(() => render(format, { v: value }))

    expect(written).toBe(expected)
  })
})

function attempt(act: () => Buffer): string {
  try {
    return act().toString()
  } catch (error) {
    if (error instanceof OutputError) return 'unfit'
    throw error
  }
}

describe('the old bytes are there for whoever asks', () => {
  test.each([
    ['bash', 'export v="x$(touch F)\\n\\xff\\u00a0\\U000e0001"'],
    ['json', '{"v":"x$(touch F)\\n\\xff\\u00a0\\U000e0001"}'],
    ['properties', 'v="x$(touch F)\\n\\xff\\u00a0\\U000e0001"'],
    ['dotenv', 'v="x$(touch F)\\n\\xff\\u00a0\\U000e0001"'],
    ['yaml', '"v": "x$(touch F)\\n\\xff\\u00a0\\U000e0001"'],
  ] as const)('%s', (format, expected) => {
    const value = Buffer.concat([
      Buffer.from('x$(touch F)\n'),
      Buffer.from([0xff]),
      Buffer.from('\u00a0\u{e0001}'),
    ])

    expect(renderAsIncumbent(format, { v: value })).toBe(expected)
  })
})

describe('what a format cannot carry is refused, with group and alias named', () => {
  test.each(['yaml', 'json', 'dotenv', 'properties'] as const)(
    'bytes that are no UTF-8: %s',
    (format) => {
      const act = () => render(format, { good: 'text', key: Uint8Array.of(0x66, 0xff, 0x67) })

      expect(act).toThrow(
        expect.objectContaining({
          code: 'OUTPUT_UNFIT',
          message: `the value of key in group db is not UTF-8 text: ${format} cannot carry it`,
        }),
      )
    },
  )

  test.each(['bash', 'dotenv'] as const)('NUL: %s', (format) => {
    const act = () => render(format, { key: 'a\0b' })

    expect(act).toThrow(/^the value of key in group db holds a NUL byte/)
  })

  test('P2 the message holds nothing of the value', () => {
    const act = () => render('dotenv', { key: 'hunter2 ${X}' })

    expect(act).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    )
  })
})

test.each([
  ['yaml', 'x'.repeat(1024), undefined],
  ['yaml', 'x'.repeat(1025), 'is longer than 1024 bytes'],
  ['yaml', 'a\0', 'holds a character that YAML does not allow'],
  ['json', 'x'.repeat(2_097_152), undefined],
  ['json', 'x'.repeat(2_097_153), 'is longer than 2097152 bytes'],
  ['json', '"', 'holds a control character, a double quote or a backslash'],
  ['properties', 'a-b', 'is no property name: letters, digits, _ and ., the first a letter or _'],
  ['dotenv', '1a', 'is no variable name: letters, digits and _, the first no digit'],
  ['bash', 'a b', 'is no variable name: letters, digits and _, the first no digit'],
] as const)('P6 an alias of %s that cannot be is told why (%#)', (format, alias, why) => {
  expect(aliasProblem(format, alias)).toBe(why)
})

test.each([
  ['a${X}', 'holds "${…}", which python-dotenv replaces in every notation'],
  ['a${X:-y z}', 'holds "${…}", which python-dotenv replaces in every notation'],
  [
    '\'"\\',
    'holds a mix of quotes, "#", backslashes or line breaks that no notation of dotenv keeps',
  ],
])('P5 a value that dotenv cannot carry (%j) is told why, and where it could go', (value, why) => {
  expect(() => render('dotenv', { key: value })).toThrow(
    expect.objectContaining({
      message: `the value of key in group db ${why}: dotenv cannot carry it`,
      hint: 'give the group another format (conjur.org/secret-file-format.db: plain carries any bytes)',
      facts: { group: 'db', alias: 'key', format: 'dotenv' },
    }),
  )
})

test.each([
  ['dotenv', 'a.b', false],
  ['bash', '1a', false],
  ['bash', '_a1', true],
  ['properties', 'a.b', true],
  ['properties', '.a', false],
  ['yaml', 'any thing "at" all é', true],
  ['yaml', 'bell\x07', false],
  ['yaml', 'x'.repeat(1025), false],
  ['json', 'path/to.é', true],
  ['json', 'quote"', false],
  ['json', 'back\\slash', false],
] as const)('alias rule of %s: %s', (format, alias, isFine) => {
  expect(aliasProblem(format, alias) === undefined).toBe(isFine)
})

describe('every value is read back by the real consumer', () => {
  test.each(['sh', 'bash', 'dash'])('%s sourcing a bash file, and nothing is executed', (shell) => {
    if (!isThere(shell, ['-c', ':'])) return
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 40 }), (values) => {
        const fit = [everyByteButNul, ...values.filter((value) => !value.includes(0))]
        const path = file(render('bash', named(fit)))

        const read = sourced(shell, path, Object.keys(named(fit)))

        expect(read).toEqual(fit)
        expect(readdirSync(join(path, '..'))).toEqual(['file'])
      }),
      { numRuns: 40 },
    )
  })

  test('JSON.parse', () => {
    fc.assert(
      fc.property(fc.array(text), (values) => {
        const read: unknown = JSON.parse(render('json', named(values)).toString())

        expect(read).toEqual(named(values))
      }),
    )
  })

  test('a YAML 1.2 parser', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (values) => {
        const read: unknown = parseYaml(render('yaml', named(values)).toString())

        expect(read).toEqual(named(values))
      }),
    )
  })

  test.skipIf(!isThere('python3', ['-c', 'import yaml']))('PyYAML, a YAML 1.1 parser', () => {
    const values = named(fc.sample(text, 400))
    const path = file(render('yaml', values))

    const read = python('yaml.safe_load(open(file, encoding="utf-8", newline=""))', path)

    expect(read).toEqual(values)
  })

  test.skipIf(!isThere('java', ['-version'])).each(['stream', 'reader'] as const)(
    'java.util.Properties from a %s',
    (how) => {
      const values = named(fc.sample(text, 400))

      const read = javaProperties(file(render('properties', values)), how)

      expect(read).toEqual(values)
    },
    60_000,
  )

  test('npm dotenv', () => {
    fc.assert(
      fc.property(fc.array(text), (values) => {
        const fit = named(values.filter(isDotenv))

        const read = parseDotenv(render('dotenv', fit))

        expect(read).toEqual(fit)
      }),
      { numRuns: 300 },
    )
  })

  test.skipIf(!isThere('python3', ['-c', 'import dotenv']))('python-dotenv', () => {
    const fit = named(fc.sample(text, 4000).filter(isDotenv))
    const path = file(render('dotenv', fit))

    const read = python('__import__("dotenv").dotenv_values(file)', path)

    expect(read).toEqual(fit)
  })
})

function isDotenv(value: string): boolean {
  return attempt(() => render('dotenv', { value })) !== 'unfit'
}
