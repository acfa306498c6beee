import { expect, test } from 'vitest'
import { indexPage, navigation } from '../../.config/navigation.ts'
import { pagePaths, pageText } from '../support/pages.ts'

const pages = pagePaths().filter((path) => path.startsWith('docs/') && path !== 'docs/README.md')

test('docs/README.md is what the tree of pages makes of it (npm run docs writes it)', () => {
  expect(pageText('docs/README.md')).toBe(indexPage())
})

test('every page stands in the tree, once', () => {
  const leaves = navigation().flatMap(({ leaves }) => leaves.map(({ file }) => `docs/${file}`))

  expect(leaves.toSorted()).toEqual(pages.toSorted())
})

test.each(pages.filter((path) => !/\/(decisions|runbooks)\//.test(path)))(
  '%s has one title, and says for whom it is',
  (page) => {
    const text = pageText(page).replaceAll(/^\s*(`{3,}).*\n[\s\S]*?^\s*\1\s*$/gm, '')
    const [title = '', opening = ''] = text.split(/\n\n/)

    expect(text.match(/^# .+$/gm)).toEqual([title])
    expect(opening).toMatch(
      /\bfor (a |an |any |the |who|app|plat|sec|pods|work|clus|contr|oper|peop|us|eve)|^For |^\*How-to/i,
    )
  },
)
