/** A look at one file of a resource: an image, the first rows of a table, or the beginning of a text. */
import { closeIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import { errorMessage } from '../api';
import type { FileEntry } from '../api-types';
import { formatBytes } from '../format';
import type { TableText } from '../models/table-text';
import { readTable } from '../models/table-text';
import { usePanel } from './context';
import { Busy, IconButton, Note } from './parts';

const MOST_BYTES = 256 * 1024;
const IMAGES = /\.(png|jpe?g|gif|webp|svg|bmp)$/i;
const TABLES = /\.(csv|tsv)$/i;
const TEXTS =
  /\.(txt|log|md|json|jsonl|ndjson|ya?ml|toml|ini|cfg|py|ipynb|html?|xml|sql|sh|js|ts|css)$|(^|\/)(MLmodel|Dockerfile|LICENSE|README)$/i;

export function hasPreview(path: string): boolean {
  return IMAGES.test(path) || TABLES.test(path) || TEXTS.test(path);
}

export function FilePreview(props: { file: FileEntry; url: string; onClose: () => void }): JSX.Element {
  const { file, url } = props;
  return (
    <section
      className="orr-Card orr-Preview"
      aria-label={`Preview of ${file.path}`}
      data-testid="orrery-file-preview"
    >
      <div className="orr-Card-head">
        <h2>{file.path}</h2>
        <IconButton label="Close the preview" icon={closeIcon} onClick={props.onClose} />
      </div>
      {IMAGES.test(file.path) ? (
        <img src={url} alt={file.path} />
      ) : (
        <Text key={url} url={url} path={file.path} size={file.size} />
      )}
    </section>
  );
}

type Read = { text: string } | { error: string } | null;

function Text(props: { url: string; path: string; size: number }): JSX.Element {
  const { url, path, size } = props;
  const { api } = usePanel();
  const [read, setRead] = useState<Read>(null);
  useEffect(() => {
    const request = new AbortController();
    api.beginningOf(url, MOST_BYTES, request.signal).then(
      text => setRead({ text }),
      error => {
        if (!request.signal.aborted) {
          setRead({ error: errorMessage(error) });
        }
      }
    );
    return () => request.abort();
  }, [api, url]);
  if (read === null) {
    return <Busy />;
  }
  if ('error' in read) {
    return <Note kind="warn">{read.error}</Note>;
  }
  const isWhole = size <= MOST_BYTES;
  if (TABLES.test(path)) {
    return <Table table={readTable(read.text, /\.tsv$/i.test(path) ? '\t' : ',', isWhole)} />;
  }
  return (
    <>
      <pre className="orr-CodeBlock orr-mod-wrap" tabIndex={0} aria-label={path}>
        {pretty(path, read.text, isWhole)}
      </pre>
      {!isWhole && (
        <div className="orr-Muted">
          The first {formatBytes(MOST_BYTES)} of {formatBytes(size)}; download it for all of it.
        </div>
      )}
    </>
  );
}

function pretty(path: string, text: string, isWhole: boolean): string {
  if (!isWhole || !/\.(json|ipynb)$/i.test(path)) {
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is no JSON after all: shown as it is.
    return text;
  }
}

function Table(props: { table: TableText }): JSX.Element {
  const { header, rows, isCut } = props.table;
  return (
    <>
      <div className="orr-Scroll" tabIndex={0} role="region" aria-label="First rows">
        <table className="orr-Table orr-mod-data">
          <thead>
            <tr>
              {header.map((name, index) => (
                <th key={index} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {header.map((_, at) => (
                  <td key={at}>{row[at] ?? ''}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {isCut && (
        <div className="orr-Muted">The first {rows.length} rows; download the file for all of them.</div>
      )}
    </>
  );
}
