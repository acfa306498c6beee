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
  '{{ print (1).X }}',
  '{{ (print "a").X }}',
  '{{ (1) (2) }}',
  '{{ range $x, $y = .SecretsArray }}{{ end }}',
  '{{ range $i, $e := index "\\x02" 0 }}x{{ end }}',
  '{{ range index .SecretsArray 0 }}{{ end }}',
  '{{ range index .SecretsMap "none" }}a{{ else }}b{{ end }}',
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

test.each([
  ['{{ nil }}', 4, 'nil is not a command'],
  ['{{ (nil).X }}', 5, 'nil is not a command'],
  ['{{ 1 2 }}', 4, "can't give an argument to what is no function"],
  ['{{ 1 | 2 }}', 8, 'a value stands in a pipeline where a function is needed'],
  ['{{ (index .SecretsMap "none").Value }}', 30, 'a nil *Secret has no field Value'],
  ['{{ .SecretsMap.user.Nope }}', 15, "can't evaluate field Nope in type *Secret"],
  ['{{ "a" | print | nope }}', 18, 'there is no function nope'],
  ['{{ not }}', 4, 'not takes 1, not 0 arguments'],
  ['{{ not 1 2 }}', 4, 'not takes 1, not 2 arguments'],
  ['{{ eq }}', 4, 'eq takes at least 1, not 0 arguments'],
  ['{{ secret }}', 4, 'secret takes 1, not 0 arguments'],
  ['{{ and }}', 4, 'and takes at least 1 argument'],
  ['{{ or }}', 4, 'or takes at least 1 argument'],
  ['{{ secret 1 }}', 11, 'a string is needed, not a number'],
  ['{{ secret nil }}', 11, 'a string is needed, not a nil'],
  ['{{ secret true }}', 11, 'a string is needed, not a bool'],
  ['{{ 1 | secret }}', 8, 'a string is needed, not a value of type int'],
  ['{{ $x }}', 4, 'undefined variable $x'],
  ['{{ template "none" }}', 13, 'template "none" is not defined'],
  ['{{ range $i, $e := 3 }}{{ end }}', 10, 'range over a number has one variable'],
  ['{{ index nil 1 }}', 4, 'index: index of untyped nil'],
  ['{{ slice nil }}', 4, 'slice: slice of untyped nil'],
  ['{{ len 3 }}', 4, 'len: a value of type int has no length'],
  ['{{ len .SecretsMap.user }}', 4, 'len: a value of type *Secret has no length'],
  ['{{ index "abc" 3 }}', 4, 'index: index out of range'],
  ['{{ index .SecretsMap 1 }}', 4, 'index: a value of type int is no key of map[string]*Secret'],
  ['{{ index (index .SecretsMap "none") 0 }}', 4, 'index: index of nil pointer'],
  ['{{ index true 0 }}', 4, "index: can't index a value of type bool"],
  ['{{ index "a" true }}', 4, 'index: a value of type bool is no index'],
  ['{{ slice "abc" 1 2 3 4 }}', 4, 'slice: too many slice indexes'],
  ['{{ slice true }}', 4, "slice: can't slice a value of type bool"],
  ['{{ slice "abc" 0 1 2 }}', 4, 'slice: cannot 3-index slice a string'],
  ['{{ slice "abc" 2 1 }}', 4, 'slice: invalid slice index'],
  ['{{ eq 1 }}', 4, 'eq: missing argument for comparison'],
  ['{{ eq 1 "a" }}', 4, 'eq: values of type int and string have no comparison'],
  ['{{ lt (index "a" 0) "a" }}', 4, 'lt: values of type uint8 and string have no comparison'],
  [
    '{{ lt (index .SecretsArray 0) 1 }}',
    4,
    'lt: values of type *Secret and int have no comparison',
  ],
  ['{{ call nil }}', 4, 'call: a value of type nil is no function'],
  ['{{ printf "%#f" 1.5 }}', 4, 'printf: the flag # of a floating-point number is not supported'],
  ['{{ printf "%x" 1.5 }}', 4, 'printf: %x of a floating-point number is not supported'],
  [
    '{{ print .SecretsArray }}',
    4,
    'print: a value of type []*Secret has no text of its own: range over it',
  ],
  ['{{ end }}', 4, 'unexpected {{end}}'],
  ['{{ else }}', 4, 'unexpected {{else}}'],
  ['{{ break }}', 4, '{{break}} outside {{range}}'],
  ['{{ continue }}', 4, '{{continue}} outside {{range}}'],
  ['{{ define "a" }}x{{ else }}{{ end }}', 21, 'unexpected {{else}} in define clause'],
  ['{{ define }}{{ end }}', 11, 'unexpected }} in define clause'],
  ['{{ define "a" 1 }}{{ end }}', 15, 'unexpected 1 in define clause'],
  ['{{ define "\\q" }}{{ end }}', 11, 'malformed string'],
  ['{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}', 30, 'template "a" is defined twice'],
  ['{{ template }}', 13, 'unexpected }} in template clause'],
  ['{{ template "a" 1 2 }}', 13, 'template "a" is not defined'],
  ['{{ template "\\q" }}', 13, 'malformed string'],
  ['{{ block "a" }}x{{ end }}', 14, 'missing value for block clause'],
  ['{{ block a . }}{{ end }}', 10, 'unexpected a in block clause'],
  ['{{ block "a" . 2 }}{{ end }}', 14, "can't give an argument to what is no function"],
  ['{{ if 1 }}{{ end 1 }}', 18, 'unexpected 1 in end'],
  ['{{ if 1 }}{{ else 2 }}{{ end }}', 19, 'unexpected 2 in else'],
  ['{{ with }}{{ end }}', 9, 'missing value for with'],
  ['{{ range }}{{ end }}', 10, 'missing value for range'],
  ['{{ if $x, $y := 1 }}{{ end }}', 7, 'too many declarations in if'],
  ['{{ range $i, 1 := 2 }}{{ end }}', 10, 'range can only initialize variables'],
  ['{{ range $a, $b, $c := 2 }}{{ end }}', 14, 'too many declarations in range'],
  ['{{ 1 | nil }}', 8, 'a value stands in a pipeline where a function is needed'],
  ['{{ () }}', 5, 'missing value for parenthesized pipeline'],
  ['{{ print () }}', 11, 'missing value for parenthesized pipeline'],
  ['{{ (1 }}', 7, 'unclosed left paren'],
  ['{{ 1) }}', 5, 'unexpected right paren'],
  ['{{ 99999999999999999999 }}', 4, '99999999999999999999 is no number that fits'],
  ["{{ 'ab' }}", 4, "'ab' is no number that fits"],
  ['{{ "\\q" }}', 4, 'malformed string'],
  ['{{ "a }}', 4, 'unterminated " quotation'],
  ['{{ `a }}', 4, 'unterminated ` quotation'],
  ["{{ 'a }}", 4, "unterminated ' quotation"],
  ['{{ 1x }}', 4, '1x is no number that fits'],
  ['{{ .a#b }}', 6, 'bad character'],
  ['{{ # }}', 4, 'unexpected # in command'],
  ['{{ 1', 3, 'unclosed action'],
  ['{{/* a', 3, 'unclosed comment'],
  ['{{/* a */ }}', 3, 'a comment ends before its closing delimiter'],
  ['{{ true.X }}', 8, 'unexpected . after a bool'],
  ['{{ 1.X }}', 4, '1.X is no number that fits'],
  ['{{ .X.(1) }}', 6, 'unexpected . in operand'],
  ['{{ if 1 }}{{ define "b" }}{{ end }}{{ end }}', 14, 'unexpected define in command'],
  ['{{ $x := }}', 10, 'missing value for command'],
  ['{{ ; }}', 4, 'unexpected ; in command'],
  ['{{ print , }}', 10, 'unexpected , in operand'],
  ['{{ range 2 }}{{ break 1 }}{{ end }}', 23, 'unexpected 1 in {{break}}'],
  ['{{ range 0 }}{{ else if 1 }}{{ end }}', 22, 'unexpected if in input'],
  ['{{ index .SecretsArray 9 }}', 4, 'index: index out of range'],
  ['{{ index (index .SecretsArray 0) 0 }}', 4, "index: can't index a value of type *Secret"],
  ['{{ index "abc" (index .SecretsArray 0) }}', 4, 'index: a value of type *Secret is no index'],
  ['{{ len (slice .SecretsArray 1 3 2) }}', 9, 'slice: invalid slice index'],
  ['{{ 1 | printf }}', 8, 'a string is needed, not a value of type int'],
])('P6 %s is refused where it is wrong, in words', (template, column, message) => {
  expect(() => renderTemplate(template, known)).toThrow(
    expect.objectContaining({ line: 1, column, message }),
  )
})

test.each([
  [400, '('.repeat(398) + '1' + ')'.repeat(398)],
  [400, '('.repeat(399) + '1' + ')'.repeat(399)],
])('parentheses may be %i deep, and side by side as often as you like', (_, inside) => {
  const flat =
    '{{ if (1) }}{{ end }}'.repeat(500) + '{{ with 1 }}{{ end }}{{ (((1))) }}'.repeat(500)

  expect(renderTemplate(`{{ ${inside} }}`, known).toString()).toBe('1')
  expect(renderTemplate(flat, known).toString()).toBe('1'.repeat(500))
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
