// Posts files by fetch with its defaults: node post.mjs URL (PATH TYPE FILE)...

import { readFile } from "node:fs/promises";

const [url, ...rest] = process.argv.slice(2);
while (rest.length) {
  const [path, type, file] = rest.splice(0, 3);
  const options = { method: "POST", headers: { "Content-Type": type }, body: await readFile(file) };
  const response = await fetch(url + path, options);
  const body = Buffer.from(await response.arrayBuffer()).toString("base64");
  console.log(response.status, body);
}
