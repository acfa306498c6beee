import type { Reasons } from '../reasons.ts'

const SLOW =
  'the tests of what grows without end take seconds, and are asked only for what nothing else reaches'
const KIND = 'no text, number or truth has a kind'
const EARLIER = 'the parser refuses it before'
const QUOTED = 'the lexer gives a literal whole, from its first quote to its last'
const NO_TEMPLATE = 'no template makes such a number'
const NOT_ROOT = 'a system without users or without /proc; the tests run on Linux'
const NEVER_TWICE = 'none stands twice'

/** Why survivors of this room may live. */
export const OUTPUTS: Reasons = {
  'outputs/environment.ts': [
    ['other.get(name)?.', 'both hold as many names, so a name that one lacks the other does not'],
  ],
  'outputs/go-quote.ts': [['\\p{L}', 'it is tried on one character']],
  'outputs/gotemplate/evaluate.ts': [
    ['ENDLESS', SLOW],
    ['step()', SLOW],
    ['MOST_STEPS', SLOW],
    ['touched', SLOW],
    ['weigh', SLOW],
    ["'continue'", 'whatever is not break goes on with the next item'],
    ['nil has no fields', EARLIER],
    ['undefined variable', EARLIER],
    ["?? 'any'", 'behind the first parameter all are any'],
    ["typeof value === 'object'", KIND],
    ['one < other', NEVER_TWICE],
    ['piped?.value', 'a pipeline has a command'],
    ['error instanceof CallError', 'nothing else is thrown there'],
    ["word.kind !== 'string'", 'a text is no literal of another kind'],
  ],
  'outputs/gotemplate/float.ts': [
    ['Number.isNaN', NO_TEMPLATE],
    ['Number.isFinite', NO_TEMPLATE],
    ['value.toExponential', 'an exponent is always written'],
    [
      "case 'e':",
      'without a precision only g is asked for',
      'ConditionalExpression',
      'StringLiteral',
    ],
    [
      "case 'f':",
      'without a precision only g is asked for',
      'ConditionalExpression',
      'StringLiteral',
    ],
    ['digits.length - 1)', 'without a precision only g is asked for'],
    ['digits.length - decimal.point', 'without a precision only g is asked for'],
    ['value === 0', 'the digit 0 is written as no digit is'],
    ['count > 0', 'what has no digits has a small exponent'],
    ['slice(0, fraction)', 'rounding has left no more digits'],
    ['exponent >= 0', 'for an exponent of 0 both ways are the same'],
    ['digits.length <= count', 'rounding to more digits than there are changes nothing'],
    ['BigInt(`0', 'BigInt of nothing is 0 too'],
  ],
  'outputs/gotemplate/functions.ts': [
    ['own === undefined', EARLIER],
    ["typeof value !== 'string'", 'arguments are checked before the call'],
    ["item.kind === 'list'", KIND],
    ["item.kind === 'map'", KIND],
    ["value.kind === 'nil'", KIND],
    ['map\\[string', 'the name of such a type begins so'],
    ["typeof left !== 'object'", 'both are of one type here'],
    ["left.kind === 'struct'", 'only structs are pointers'],
    ['values.length === 1', 'a text alone prints as itself'],
    ['.test(raw)', 'it is tried on one character'],
  ],
  'outputs/gotemplate/lex.ts': [
    ["plain !== ''", 'no text between two actions prints nothing'],
    ["kind: 'left'", 'the text of a brace is shown in no message that a template can bring about'],
  ],
  'outputs/gotemplate/literals.ts': [
    ['startsWith("\'")', QUOTED],
    ["startsWith('`')", QUOTED],
    ["/^'\\\\(?:x", QUOTED],
    ['whole === undefined', 'no digits make no number, and that is refused later'],
    ['.test(digits)', 'what this refuses is no number for JavaScript either'],
    ['plain === quote', QUOTED],
    ["?? ''", 'one of the two is there'],
  ],
  'outputs/gotemplate/print.ts': [
    ["'+Inf'", NO_TEMPLATE],
    ['/\\d/', NO_TEMPLATE],
    ['precision === undefined', 'cut to no length it is cut nowhere'],
    ['width === undefined', 'nothing is missing to no width'],
    ['4 * width', 'only a shortcut for long texts'],
    ['missing <= 0', 'padding by nothing adds nothing'],
    ['number < 0n', 'zero has no sign'],
    ['0x10ffff', 'the last code is not printed as itself'],
  ],
  'outputs/gotemplate/sprintf.ts': [
    ['text.length > LONGEST', SLOW],
    ['it grows without end', SLOW],
    ['at < pattern.length', 'behind the end there is nothing to read'],
    ['width < 0', 'a width of 0 pads nothing on either side'],
    ["index[1] === ''", 'without a number it counts as one before the first'],
    ['1_000_000', 'the millionth character more or less'],
  ],
  'outputs/find-process.ts': [
    ["'0'", 'the line of a process names its parent'],
    ['program =', 'splitting a text gives at least one part'],
    ['} catch', 'reading a file throws nothing but errors of the system'],
    ['errorNumber(error) === undefined', 'reading a file throws nothing but errors of the system'],
  ],
  'outputs/group-decision.ts': [
    ['error instanceof AgentError', 'rendering throws nothing else'],
    ['plain is no single file', 'a defect of ours, which no configuration brings about'],
    ["format === 'plain'", 'a defect of ours, which no configuration brings about'],
  ],
  'outputs/held-directory.ts': [
    ['hasDescriptors', NOT_ROOT],
    ['slash < 0', 'no path here begins with a slash'],
    ["['', root]", 'there is always a first'],
    ['below.delete(path)', 'which descriptor is the oldest costs an open at most'],
    ['below.size > MOST', 'one descriptor more or less'],
  ],
  'outputs/kubernetes-secrets.ts': [
    ['not found', 'that a Secret is not there is said in words of its own'],
    ['data.get(key)?.', 'a key of ours is one of the Secret'],
    ['whole === undefined', 'an error that is undefined is none'],
  ],
  'outputs/map-all.ts': [
    ["strip = ''", 'no path begins with that'],
    ['one < other', NEVER_TWICE],
    ["typeof max === 'number'", 'only numbers are safe integers'],
    ['include ?? []', 'a filter that is not understood is a problem, and nothing is fetched'],
    ['exclude ?? []', 'a filter that is not understood is a problem, and nothing is fetched'],
    ["typeof strip === 'string'", 'a strip that is no text is a problem, and nothing is fetched'],
  ],
  'outputs/output-failure.ts': [
    ['process.geteuid', NOT_ROOT],
    ['getSystemErrorMessage', 'every number that the system gives has its words'],
  ],
  'outputs/reload.ts': [["'unknown'", 'Node never throws anything but an Error']],
  'outputs/group-template.ts': [["'secrets-provider'", 'whatever is not safe is the other']],
  'outputs/secret-files.ts': [
    ['{ signal }', 'the pause is 200 ms; that an end cuts it short is asked of the built program'],
    [
      'async function pause',
      'how long a superseded set stays is asked of readers at full speed, in a suite that is left out',
    ],
    ['decisions[index]?.', 'there is a decision for every group'],
    ['error === undefined', 'an error that is undefined is none'],
  ],
  'outputs/secret-map.ts': [['all === undefined', 'what is undefined is not asked for']],
  'outputs/secret-group.ts': [['one < other', NEVER_TWICE]],
  'outputs/secret-plan.ts': [
    [
      'values.has(id) || unknown.has(id)',
      'what has neither value nor key is left out by the next step',
    ],
    ['failure instanceof AgentError', 'rendering throws nothing else'],
    ['return true', 'a Secret that we have filled lacks nothing'],
    ['error === undefined', 'an error that is undefined is none'],
    ["format: 'template'", 'of a group only its template is read here'],
  ],
  'outputs/token-found.ts': [
    ['process.geteuid', NOT_ROOT],
    ['closeSync', 'a descriptor that stays open changes no answer; the soak test counts them'],
    ['finally {', 'a descriptor that stays open changes no answer; the soak test counts them'],
  ],
  'outputs/volume-facts.ts': [
    ['ramfs', 'no test mounts one'],
    ['0x858458f6', 'no test mounts one'],
  ],
  'outputs/volume-look.ts': [
    ["held.at('.')", 'an empty last part is the directory itself too'],
    ["data.target : ''", 'neither is the name of a set'],
    ['throwIfNoEntry', 'what is not there is caught below'],
    ["'file' : 'other'", 'nothing asks which of the two it is'],
  ],
  'outputs/volume-write.ts': [
    ['dirname(path) === path', 'the root is always there'],
    ['isDirectory()', 'a directory that is there is there, whatever kept it from being made'],
    [
      "'ENOENT') throw error",
      'another agent on the same volume, which the crash tests play, not these',
    ],
    ["'EEXIST') throw error", 'Linux says ENOTEMPTY'],
  ],
}
