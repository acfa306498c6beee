import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { renderTemplate } from '../../../src/outputs/gotemplate/render-template.ts'
import { TemplateError } from '../../../src/outputs/gotemplate/template-error.ts'
import { isThere } from '../readers.ts'

const Vectors = v.object({
  secrets: v.array(v.tuple([v.string(), v.string()])),
  vectors: v.array(
    v.object({
      template: v.string(),
      output: v.optional(v.string(), ''),
      fails: v.optional(v.picklist(['parse', 'render'])),
      line: v.optional(v.number()),
      column: v.optional(v.number()),
    }),
  ),
})
const text = readFileSync(join(import.meta.dirname, 'vectors.json'), 'utf8')
const { secrets, vectors } = v.parse(Vectors, JSON.parse(text))
const known = secrets.map(([alias, base64]) => ({ alias, value: Buffer.from(base64, 'base64') }))

// Where Go names the last thing that it evaluated, we name the thing that fails.
const pointsElsewhere = new Set([
  '{{ (index .SecretsMap "none").Value }}',
  '{{ (index .SecretsMap "user").Value.X }}',
  '{{ (print 1).X }}',
  '{{ print.X }}',
  '{{ (1) 2 }}',
  '{{ 1 | (2) }}',
  '{{ $x = 1 }}',
  '{{ range $i, $e := 3 }}x{{ end }}',
  '{{ range .SecretsMap.user }}a{{ end }}',
  '{{ b64enc (index .SecretsArray 0) }}',
  '{{ b64enc (index "abc" 1) }}',
  '{{ b64dec (index .SecretsArray 0) }}',
  '{{ b64dec (index "abc" 1) }}',
])

describe("what Go's own text/template makes of a template, we make of it", () => {
  test.each(vectors)('$template', ({ template, output, fails, line, column }) => {
    const outcome = attempt(template)

    if (fails === undefined) {
      expect(outcome).toEqual({ output: Buffer.from(output, 'base64').toString('latin1') })
    } else {
      expect(outcome).toMatchObject({ fails, ...(line === undefined ? {} : { line }) })
      // Go counts bytes from 0, we count characters from 1.
      if (column !== undefined && !pointsElsewhere.has(template))
        expect(byteColumn(template, outcome)).toBe(column)
    }
  })
})

interface Outcome {
  readonly output?: string
  readonly fails?: string
  readonly line?: number
  readonly column?: number
}

function attempt(template: string): Outcome {
  try {
    return { output: renderTemplate(template, known).toString('latin1') }
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    return { fails: error.stage, line: error.line, column: error.column }
  }
}

function byteColumn(template: string, { line = 1, column = 1 }: Outcome): number {
  const before = Array.from(template.split('\n')[line - 1] ?? '').slice(0, column - 1)
  return Buffer.byteLength(before.join(''))
}

describe('P2 a failure says where, and nothing of a value', () => {
  test.each([
    ['{{ secret "none" }}', 1, 4, 'secret: the group has no secret "none"'],
    ['é {{ b64dec (secret "user") }}', 1, 6, 'b64dec: the value is not base64'],
    ['a\n{{ index (secret "user") 99 }}', 2, 4, 'index: index out of range'],
    ['{{ slice (secret "user") 99 }}', 1, 4, 'slice: index out of range'],
    ['{{ lt (secret "user") 1 }}', 1, 4, 'lt: values of type string and int have no comparison'],
    [
      '{{ secret .SecretsMap }}',
      1,
      11,
      'a string is needed, not a value of type map[string]*Secret',
    ],
    ['{{ . }}', 1, 4, 'a value of type TemplateData has no text of its own'],
    [
      '{{ print .SecretsMap }}',
      1,
      4,
      'print: a value of type map[string]*Secret has no text of its own: range over it',
    ],
    ['{{ range secret "user" }}{{ end }}', 1, 10, "range can't iterate over string"],
    ['{{ call (secret "user") }}', 1, 4, 'call: a value of type string is no function'],
    ['x\n  {{ if }}{{ end }}', 2, 9, 'missing value for if'],
    ['{{ nope }}', 1, 4, 'there is no function nope'],
    ['{{ if true }}', 1, 14, 'unexpected end of the template: an {{end}} is missing'],
  ])('%s', (template, line, column, message) => {
    expect(() => renderTemplate(template, known)).toThrow(
      expect.objectContaining({ line, column, message }),
    )
  })
})

test('a template whose templates call each other for ever ends with an error', () => {
  const template = '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}'

  expect(() => renderTemplate(template, known)).toThrow(/more than 1000 deep/)
})

test.each([
  ['parentheses', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`],
  ['actions', '{{ if 1 }}'.repeat(20_000) + '{{ end }}'.repeat(20_000)],
  ['else-ifs', `{{ if 0 }}${'{{ else if 0 }}'.repeat(20_000)}{{ end }}`],
])('a template with very deep %s is refused, not a defect of ours', (_what, template) => {
  expect(() => renderTemplate(template, known)).toThrow(TemplateError)
})

test.each([
  [
    'depth',
    `{{ define "a" }}${'{{ with 1 }}'.repeat(50)}{{ template "a" }}${'{{ end }}'.repeat(51)}`,
  ],
  [
    'length',
    '{{ define "a" }}{{ range 99999999 }}{{ $.SecretsMap.multi.Value }}{{ end }}{{ end }}',
  ],
  ['time', '{{ define "a" }}{{ range 99999999999 }}{{ end }}{{ end }}'],
])('P4 a template that grows without end in %s is refused, not a defect of ours', (_what, text) => {
  expect(() => renderTemplate(`${text}{{ template "a" . }}`, known)).toThrow(/without end|deep/)
})

test('a long template is read in time', () => {
  const line = '{{ secret "user" }} and {{ .SecretsMap.user.Value | b64enc }}\n'

  const rendered = renderTemplate(line.repeat(20_000), known)

  expect(rendered).toHaveLength('web and d2Vi\n'.length * 20_000)
})

test.skipIf(!isThere('go', ['version']))(
  'the vectors are what the Go package says today',
  () => {
    const program = join(import.meta.dirname, 'vectors.go')

    const printed = execFileSync('go', ['run', program], { maxBuffer: 1 << 26 }).toString()

    expect(v.parse(Vectors, JSON.parse(printed))).toEqual({ secrets, vectors })
  },
  120_000,
)
