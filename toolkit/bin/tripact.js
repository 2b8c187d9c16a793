#!/usr/bin/env node
// Committed, so that `npm ci` can link it before the first build. An older Node is told so here, before it trips over what it lacks.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > 22 || (major === 22 && minor >= 18)) await import("../dist/cli/main.js");
else {
  process.stderr.write(`tripact: it needs Node 22.18 or later, and this is ${process.versions.node}\n`);
  process.exitCode = 5;
}
