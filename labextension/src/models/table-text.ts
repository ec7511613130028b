/** The first rows of a text file with separated values (RFC 4180), for a look at it. Pure. */

export interface TableText {
  header: string[];
  rows: string[][];
  isCut: boolean;
}

const MOST_ROWS = 100;

/** `isWhole` is false where the text is only the beginning of the file: its last line may be torn. */
export function readTable(text: string, separator: string, isWhole: boolean): TableText {
  const rows = splitRows(text, separator, MOST_ROWS + 2);
  const isLong = rows.length > MOST_ROWS + 1;
  const kept = isLong ? rows.slice(0, MOST_ROWS + 1) : isWhole ? rows : rows.slice(0, -1);
  const [header = [], ...body] = kept;
  return { header, rows: body, isCut: isLong || !isWhole };
}

function splitRows(text: string, separator: string, most: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let isQuoted = false;
  const endRow = (): void => {
    rows.push([...row, field]);
    row = [];
    field = '';
  };
  for (let at = 0; at < text.length && rows.length < most; at += 1) {
    const letter = text.charAt(at);
    if (isQuoted) {
      if (letter !== '"') {
        field += letter;
      } else if (text.charAt(at + 1) === '"') {
        field += '"';
        at += 1;
      } else {
        isQuoted = false;
      }
    } else if (letter === '"' && field === '') {
      isQuoted = true;
    } else if (letter === separator) {
      row.push(field);
      field = '';
    } else if (letter === '\n') {
      endRow();
    } else if (letter !== '\r') {
      field += letter;
    }
  }
  if (rows.length < most && (field !== '' || row.length > 0)) {
    endRow();
  }
  return rows;
}
