import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { plainText, recording } from '../../.config/picture.ts'
import { blocksOf, pageText } from '../support/pages.ts'

const text = pageText('README.md')
/** What is unfolded of it. */
const shown = text.replaceAll(/<details>[\s\S]*?<\/details>\n/g, '')
const [first = ''] = shown.split(/^## /m)

test('the README begins with the pain in one sentence and the two commands', () => {
  expect(text).toMatch(/^# conjur-agent\n\n[^\n]+\.\n\n```sh\nnpm run demo .*\nnpm test .*\n```\n/)
  expect(Object.keys(parse(pageText('package.json')).scripts)).toEqual(
    expect.arrayContaining(['demo', 'test']),
  )
})

test('its first screen has three doors and what the application sees, on 30 lines at most', () => {
  const doors = [...first.matchAll(/^\*\*([\w ]+)\.\*\* /gm)].map(([, door]) => door)

  expect(doors).toEqual(['Laptop', 'Cluster', 'Azure Container Instances'])
  expect(first).toContain('$ cat /conjur/secrets/')
  expect(first.trimEnd().split('\n').length).toBeLessThanOrEqual(30)
})

test('the picture is told as text below a fold', () => {
  const fold = blocksOf('README.md').find(({ text }) => text.startsWith('$ npm run demo'))

  expect(fold?.text).toBe(plainText(recording()))
})

test('the comparison begins with the rows we lose, and links every claim about ourselves', () => {
  const [, table = ''] = /<!-- comparison -->\n([\s\S]*?)\n\n/.exec(text) ?? []
  const [head = '', , ...rows] = table.split('\n').map((row) => row.split(' | '))

  expect(head[1]).toMatch(/conjur-agent \d+\.\d+\.\d+, \d{4}-\d\d-\d\d/)
  expect(head[2]).toMatch(/ \d+\.\d+\.\d+, \d{4}-\d\d-\d\d/)
  expect(rows[0]?.[1]).toMatch(/^\[no/)
  expect(rows.filter(([, ours = '']) => !/\]\(.+\)/.test(ours))).toEqual([])
  expect(
    rows.filter(([, , theirs = '']) => !/\]\(.+\)/.test(theirs) && !/not \w+ here/.test(theirs)),
  ).toEqual([])
})
