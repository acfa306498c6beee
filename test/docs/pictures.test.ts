import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diagrams, drawDiagram, readDiagram } from '../../.config/diagram.ts'
import { draw, plainText, recording } from '../../.config/picture.ts'
import { pagePaths, pageText } from '../support/pages.ts'

const picture = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../docs/pictures', `${name}.svg`), 'utf8')
const themes = ['light', 'dark'] as const

test.each(themes)('the %s picture of the demo is drawn from its recording', (theme) => {
  expect(picture(`demo-${theme}`)).toBe(draw(recording(), theme))
})

test.each(themes)('the %s picture is small, short, and asks nobody for anything', (theme) => {
  const svg = picture(`demo-${theme}`)
  const last = recording().at(-1)

  expect(Buffer.byteLength(svg)).toBeLessThan(60_000)
  expect(last?.atMs).toBeLessThan(30_000)
  expect(
    Math.max(
      ...plainText(recording())
        .split('\n')
        .map((line) => line.length),
    ),
  ).toBeLessThanOrEqual(100)
  expect(svg).not.toMatch(/<script|<image|<a |@import|url\(|href|src=/)
})

test('the recording shows what happens, and nothing of the machine it was made on', () => {
  const text = plainText(recording())

  for (const event of ['rotate', 'publish', 'renew', 'outage', 'recover', 'revoke', 'stop']) {
    expect(text).toMatch(new RegExp(` s {2}${event} `))
  }
  expect(text).toContain('0 torn, 0 mixed')
  expect(text).not.toMatch(/\/root|\/home|\/work|\/tmp/)
})

test.each([...diagrams()])('the pictures of %s.diagram are drawn from it', (name, source) => {
  const diagram = readDiagram(source)

  expect(diagram.title).not.toBe('')
  expect(diagram.boxes.size).toBeLessThanOrEqual(7)
  for (const theme of themes) expect(picture(`${name}-${theme}`)).toBe(drawDiagram(diagram, theme))
})

test.each([...diagrams()])(
  '%s.diagram stands in a page, its title as the alternative',
  (name, source) => {
    const page = pagePaths().find((path) => pageText(path).includes(`pictures/${name}-light.svg`))

    expect(pageText(page ?? 'README.md')).toContain(`alt="${readDiagram(source).title}"`)
  },
)

test('a diagram that says what none has is refused', () => {
  expect(() => readDiagram('bx a 0 0 x')).toThrow('no diagram has the line bx a 0 0 x')
  expect(() => readDiagram('box a 0 0 x\narrow a b y')).toThrow('no box for the arrow a b')
})
