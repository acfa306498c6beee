import { identifierOf, kindOf } from '../ids.ts'
import type { Resource } from '../store.ts'

/** Whether every word of a search stands in a resource's id, kind or annotations: English, by stem. */
export function matchesSearch(resource: Resource, search: string): boolean {
  const wanted = stems(search)
  if (wanted.length === 0) return false
  const present = new Set(
    stems(
      [
        identifierOf(resource.id),
        kindOf(resource.id),
        ...resource.annotations.map(({ value }) => value),
      ].join(' '),
    ),
  )
  return wanted.every((stem) => present.has(stem))
}

function stems(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return words.filter((word) => !stopWords.has(word)).map(stem)
}

/** The plain part of English stemming: plurals and the commonest endings. */
function stem(word: string): string {
  const singular = word.endsWith('ies') ? `${word.slice(0, -3)}y` : word.replace(/([^s])s$/, '$1')
  const bare = singular.replace(/(?<=[a-z]{3})(ing|ed)$/, '')
  return bare.replace(/(?<=[a-z]{2})e$/, '').replace(/(?<=[a-z]{2})y$/, 'i')
}

const stopWords = new Set(
  'a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with'.split(
    ' ',
  ),
)
