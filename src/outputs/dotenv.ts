import { goQuote, toGo } from './go-quote.ts'

/**
 * One line of a dotenv file that python-dotenv and npm's dotenv both read back as the value.
 *
 * The two agree on little: npm's knows no escape but `\n` and `\r`, and these in double quotes
 * alone; python's undoes `\\` and `\'` in single quotes too, and replaces `${…}` everywhere. So
 * there are four ways to write a value, of which the first that both read right is taken, the
 * incumbent's bytes before the others.
 */
export function dotenvLine(alias: string, text: string): string | { readonly unfit: string } {
  if (text.includes('\0')) return { unfit: 'holds a NUL byte, which no variable can' }
  if (/\$\{[^}:]*(?::-[^}]*)?\}/.test(text)) {
    return { unfit: 'holds "${…}", which python-dotenv replaces in every notation' }
  }
  for (const { isReadRight, write } of notations) {
    if (isReadRight(text)) return `${alias}=${toGo(write(text))}`
  }
  return {
    unfit:
      'holds a mix of quotes, "#", backslashes or line breaks that no notation of dotenv keeps',
  }
}

interface Notation {
  readonly isReadRight: (text: string) => boolean
  readonly write: (text: string) => string
}

const notations: readonly Notation[] = [
  {
    // What the incumbent writes. Its other escapes stay as they are in npm's reader.
    isReadRight: (text) => /^"(?:[^\\]|\\[nr])*"$/.test(goQuote(toGo(text))),
    write: (text) => `"${text.replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`,
  },
  {
    // npm's reader turns every raw carriage return into a line feed.
    isReadRight: (text) => !/['\r]|\\\\|\\$/.test(text),
    write: (text) => `'${text}'`,
  },
  {
    isReadRight: (text) => !/"|\\(?:['"\\abfnrtv\r]|$)/.test(text),
    write: (text) => `"${text.replaceAll('\r', '\\r')}"`,
  },
  {
    // Unquoted: to the end of the line or a "#", less the space around it.
    isReadRight: (text) => !/^['"`]|[#\n\r\u2028\u2029]/.test(text) && isSolid(text),
    write: (text) => text,
  },
]

/** Whether a text neither begins nor ends with anything that a reader may take for space. */
function isSolid(text: string): boolean {
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(text) && /[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(text)
}
