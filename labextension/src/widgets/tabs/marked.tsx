/** A line with what was looked for in it marked, in large or small letters. */
export function Marked(props: { text: string; search: string }): JSX.Element {
  const at = props.search === '' ? -1 : props.text.toLowerCase().indexOf(props.search.toLowerCase());
  if (at < 0) {
    return <>{props.text || ' '}</>;
  }
  return (
    <>
      {props.text.slice(0, at)}
      <mark>{props.text.slice(at, at + props.search.length)}</mark>
      {props.text.slice(at + props.search.length)}
    </>
  );
}
