/** The files of a resource: each to look at, to copy the path of and to download; all of them as one archive. */
import { downloadIcon, fileIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import { formatAgo, formatBytes, formatTime, plural } from '../../format';
import { useModel } from '../../models/model';
import { usePanel } from '../context';
import { FilePreview, hasPreview } from '../file-preview';
import { Busy, CopyButton, Empty, Icon, Note } from '../parts';
import type { TabProps } from './props';

export function FilesTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { api } = usePanel();
  const loader = model.part.files;
  useModel(loader);
  const [shown, setShown] = useState<string | null>(null);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  const files = loader.value;
  if (files.length === 0) {
    return (
      <Empty icon={fileIcon} title="No files yet">
        What it writes shows up here.
      </Empty>
    );
  }
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const urlOf = (path: string): string => api.fileUrl(model.kind.plural, resource.id, path);
  const chosen = files.find(file => file.path === shown);
  return (
    <div>
      <div className="orr-Bar">
        <span className="orr-Muted">
          {plural(files.length, 'file')}, {formatBytes(total)}
        </span>
        <span className="orr-Spring" />
        <a
          className="orr-Link"
          href={api.url(`/${model.kind.plural}/${resource.id}/archive`)}
          download
          data-testid="orrery-archive"
        >
          Download all as zip
        </a>
      </div>
      {chosen && <FilePreview file={chosen} url={urlOf(chosen.path)} onClose={() => setShown(null)} />}
      <table className="orr-Table orr-mod-files">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col" className="orr-Number">
              Size
            </th>
            <th scope="col">Changed</th>
            <th scope="col">
              <span className="orr-Hidden">What to do with it</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {files.map(file => (
            <tr key={file.path} aria-current={file.path === shown || undefined}>
              <th scope="row">
                <Icon icon={fileIcon} />{' '}
                {hasPreview(file.path) ? (
                  <button
                    type="button"
                    className="orr-Link"
                    aria-expanded={file.path === shown}
                    title={`Look at ${file.path}`}
                    onClick={() => setShown(file.path === shown ? null : file.path)}
                    data-testid={`orrery-look-${file.path}`}
                  >
                    {file.path}
                  </button>
                ) : (
                  file.path
                )}
              </th>
              <td className="orr-Number">{formatBytes(file.size)}</td>
              <td>
                <time title={formatTime(file.modified_at)}>{formatAgo(file.modified_at)}</time>
              </td>
              <td className="orr-Table-tools">
                <CopyButton text={file.path} label={`Copy the path of ${file.path}`} words="Copy path" />
                <a
                  className="orr-IconButton"
                  href={urlOf(file.path)}
                  download={file.path.split('/').pop()}
                  aria-label={`Download ${file.path}`}
                  title={`Download ${file.path}`}
                >
                  <Icon icon={downloadIcon} />
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
