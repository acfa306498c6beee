import { expect, test } from 'vitest'
import { parseSecretList } from '../../src/config/secret-list.ts'

const text = { contentType: 'text', required: true } as const

test('a bare path has its last part as alias; alias: path names its own', async () => {
  const list = await parseSecretList('- apps/web/db-password\n- user: apps/web/db-user\n')

  expect(list.entries).toEqual([
    { alias: 'db-password', variableId: 'apps/web/db-password', ...text },
    { alias: 'user', variableId: 'apps/web/db-user', ...text },
  ])
})

test('content-type, required and default stand beside the alias', async () => {
  const list = await parseSecretList(
    '- cert: apps/web/cert\n  content-type: base64\n- flag: apps/web/flag\n  required: false\n- "mode": apps/web/mode\n  default: "plain text"\n',
  )

  expect(list.entries).toEqual([
    { alias: 'cert', variableId: 'apps/web/cert', contentType: 'base64', required: true },
    { alias: 'flag', variableId: 'apps/web/flag', contentType: 'text', required: false },
    {
      alias: 'mode',
      variableId: 'apps/web/mode',
      contentType: 'text',
      required: false,
      default: 'plain text',
    },
  ])
})

test('every scalar counts as text: no is an alias, 123 a path', async () => {
  const list = await parseSecretList('- no: apps/on\n- "yes": 123\n- 1.0: apps/x y\n')

  expect(list.entries.map(({ alias, variableId }) => [alias, variableId])).toEqual([
    ['no', 'apps/on'],
    ['yes', '123'],
    ['1.0', 'apps/x y'],
  ])
})

test.each(['*', '"*"', '- "*": "*"', '- "*"'])('%s asks for everything', async (source) => {
  const list = await parseSecretList(source)

  expect(list).toMatchObject({ entries: [], fetchAll: 'text', problems: [] })
})

test('P6 every bad entry is named, not only the first', async () => {
  const list = await parseSecretList(
    '- apps/\n- a: x\n  b: y\n- [1]\n- ok: apps/ok\n- ok: apps/other\n- z: apps/z\n  required: maybe\n',
  )

  expect(list.problems).toEqual([
    'entry 1 has the path apps/, which ends in /',
    'entry 2 has two aliases, a and b; give each an entry of its own',
    'entry 3 is neither a path nor alias: path',
    'entry 6 has required: maybe; it is true or false',
    'has the alias ok twice; write another one before one of the paths',
  ])
})

test.each([
  ['', 'is no YAML list such as "- apps/web/db-password"'],
  ['just text', 'is no YAML list such as "- apps/web/db-password"'],
  ['- "open', 'is not YAML: line 1, missing char'],
])('P6 %j is refused', async (source, problem) => {
  const list = await parseSecretList(source)

  expect(list.problems).toEqual([problem])
})

test('an unknown content-type is warned about and read as text', async () => {
  const list = await parseSecretList('- a: b\n  content-type: hex\n')

  expect(list.entries[0]?.contentType).toBe('text')
  expect(list.warnings).toEqual(['entry 1 has the content-type hex; it is read as text'])
})

test.each(['- &a x\n- *a', '- *a', '- a: &b [x]\n  required: *b'])(
  'P8 an alias of YAML stands for nothing here: %j',
  async (source) => {
    const { problems, entries } = await parseSecretList(source)

    expect(problems).toEqual([expect.stringMatching(/^uses the YAML alias \*[ab]; write out /)])
    expect(entries).toEqual([])
  },
)
