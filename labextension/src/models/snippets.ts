/** The same call as a program makes it. The token is always a placeholder: it belongs into the environment. */
import type { Json } from '../api-types';
import { pythonLiteral } from '../format';

export interface CallTarget {
  url: string;
  owner: string;
  name: string;
  body: Json;
}

export function curlSnippet(target: CallTarget): string {
  const payload = JSON.stringify(target.body).replace(/'/g, "'\\''");
  return [
    `curl -X POST '${target.url}'`,
    `-H "Authorization: Bearer $ORRERY_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d '${payload}'`
  ].join(' \\\n  ');
}

export function pythonSnippet(target: CallTarget): string {
  return [
    'import orrery',
    '',
    'client = orrery.Client()  # takes $ORRERY_URL and $ORRERY_TOKEN',
    `answer = client.predict("${target.owner}/${target.name}", ${pythonLiteral(target.body)})`,
    'print(answer)'
  ].join('\n');
}

export function javaScriptSnippet(target: CallTarget): string {
  return [
    `const response = await fetch('${target.url}', {`,
    "  method: 'POST',",
    '  headers: {',
    '    Authorization: `Bearer ${process.env.ORRERY_TOKEN}`,',
    "    'Content-Type': 'application/json'",
    '  },',
    `  body: JSON.stringify(${JSON.stringify(target.body)})`,
    '});',
    'console.log(await response.json());'
  ].join('\n');
}
