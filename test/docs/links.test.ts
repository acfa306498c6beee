import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { anchorsOf, pagePaths, proseOf } from '../support/pages.ts'

const root = join(import.meta.dirname, '../..')

test.each(pagePaths())('every link of %s leads to a file, and to a heading of it', (page) => {
  const targets = [
    ...[...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target),
    ...[...proseOf(page).matchAll(/(?:src|srcset|href)="([^"]+)"/g)].map(
      ([, target = '']) => target,
    ),
  ]

  expect(targets.map((target) => fault(page, target)).filter((why) => why !== undefined)).toEqual(
    [],
  )
})

test('a link to a heading that is not there is found', () => {
  expect(fault('README.md', 'docs/errors.md#no_such_code')).toContain('no heading')
  expect(fault('README.md', 'docs/no-such-page.md')).toContain('no file')
  expect(fault('README.md', 'docs/errors.md#config_invalid')).toBeUndefined()
})

/** What is wrong with a link; links to other hosts are looked at by people. */
function fault(page: string, target: string): string | undefined {
  if (target.startsWith('https://')) return undefined
  if (/^\w+:/.test(target)) return `${target}: no link of ours begins so`
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), path))
  if (file.startsWith('..') || !existsSync(join(root, file))) return `${target}: no file ${file}`
  if (anchor === undefined || !file.endsWith('.md') || statSync(join(root, file)).isDirectory())
    return undefined
  return anchorsOf(file).has(anchor) ? undefined : `${target}: no heading of that name`
}
