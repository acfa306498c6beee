import { expect, test } from 'vitest'
import { terminalFor } from '../../src/core/terminal.ts'
import { createScreen, eventLine, type Screen } from '../../src/demo/screen.ts'

function screenThat(surroundings: {
  isTerminal: boolean
  environment?: Record<string, string>
  color?: string
}): { screen: Screen; text: () => string } {
  let written = ''
  const { isTerminal, environment = {}, color } = surroundings
  const terminal = terminalFor({ isTerminal, columns: 80, environment, color })
  const screen = createScreen(terminal, (text) => {
    written += text
  })
  return { screen, text: () => written }
}

test('an event stands under its second and its word', () => {
  expect(eventLine(9.6, 'rotate', 'someone sets apps/web/db-password in Conjur')).toBe(
    ' +10 s  rotate    someone sets apps/web/db-password in Conjur',
  )
  expect(eventLine(2, 'publish', 'x')).toBe('  +2 s  publish   x')
})

test('a step that came true and one that did not', () => {
  const { screen, text } = screenThat({ isTerminal: false })

  screen.done('Conjur', 'devserver ready')
  screen.failed('publish', 'db.json did not change within 10 s', ['agent: its last line'])

  expect(text()).toBe(
    '✓ Conjur     devserver ready\n✗ publish    db.json did not change within 10 s\n  │ agent: its last line\n',
  )
})

test('without UTF-8 the symbols are words', () => {
  const { screen, text } = screenThat({ isTerminal: false, environment: { LC_ALL: 'C' } })

  screen.done('Conjur', 'devserver ready')
  screen.next('left running: conjur-agent demo --keep')

  expect(text()).toBe('ok Conjur     devserver ready\n-> left running: conjur-agent demo --keep\n')
})

test('colour is for terminals, and NO_COLOR takes it away', () => {
  const colored = screenThat({ isTerminal: true })
  const plain = screenThat({ isTerminal: true, environment: { NO_COLOR: '1' } })

  colored.screen.done('Conjur', 'ready')
  plain.screen.done('Conjur', 'ready')

  expect(colored.text()).toBe('\u001B[32m✓\u001B[39m Conjur     ready\n')
  expect(plain.text()).toBe('✓ Conjur     ready\n')
})

test('where there is no terminal, waiting writes nothing', async () => {
  const { screen, text } = screenThat({ isTerminal: false })

  await screen.waiting('waiting for the first set', Promise.resolve())

  expect(text()).toBe('')
})
