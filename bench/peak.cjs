'use strict'
// Tells on descriptor 3, at the very end, how much memory the process had at most, in KiB.
const { writeSync } = require('node:fs')
process.on('exit', () => writeSync(3, String(process.resourceUsage().maxRSS)))
