# What a terminal of a notebook reads first, in bash and in sh: all that a login shell reads, then the environments.
# It prints nothing unless something is wrong, and ends nothing.

_orrery_path=$PATH
unset ENV
[ -r /etc/profile ] && . /etc/profile
if [ -n "$BASH_VERSION" ]; then
    if [ -r "$HOME/.bash_profile" ]; then
        . "$HOME/.bash_profile"
    elif [ -r "$HOME/.bash_login" ]; then
        . "$HOME/.bash_login"
    elif [ -r "$HOME/.profile" ]; then
        . "$HOME/.profile"
    elif [ -r "$HOME/.bashrc" ]; then
        . "$HOME/.bashrc"
    fi
else
    [ -r "$HOME/.profile" ] && . "$HOME/.profile"
fi
# /etc/profile sets PATH anew on some systems: what the server had comes back, after what the account chose
case ":$PATH:" in
    *":$_orrery_path:"*) ;;
    *) PATH=$PATH:$_orrery_path ;;
esac

# `conda activate`, where there is a conda that was not set up for this shell
if ! type conda 2>/dev/null | grep -q function; then
    _orrery_conda=$(command -v conda 2>/dev/null)
    for _orrery_root in "${_orrery_conda%/*/*}" "${CONDA_DIR:-/opt/conda}"; do
        if [ -n "$_orrery_root" ] && [ -r "$_orrery_root/etc/profile.d/conda.sh" ]; then
            . "$_orrery_root/etc/profile.d/conda.sh"
            break
        fi
    done
    unset _orrery_conda _orrery_root
fi

# the environment that custom-conda-envs/.default names
_orrery_default=
if [ -r "$ORRERY_DATA_DIR/custom-conda-envs/.default" ]; then
    read -r _orrery_default < "$ORRERY_DATA_DIR/custom-conda-envs/.default" || :
fi
case "$_orrery_default" in
    '' | '#'*) ;;
    /* | *..*) echo "custom-conda-envs/.default names '$_orrery_default'; write the name of an environment there, as 'myenv'" >&2 ;;
    *)
        _orrery_prefix=$ORRERY_DATA_DIR/custom-conda-envs/$_orrery_default
        [ -e "$_orrery_prefix/bin" ] || [ ! -e "$_orrery_prefix/.venv/bin" ] || _orrery_prefix=$_orrery_prefix/.venv
        if [ ! -d "$_orrery_prefix/bin" ]; then
            echo "custom-conda-envs/.default names '$_orrery_default', which is no environment there" >&2
        elif [ -d "$_orrery_prefix/conda-meta" ] && type conda 2>/dev/null | grep -q function; then
            conda activate "$_orrery_prefix"
        elif [ -r "$_orrery_prefix/bin/activate" ] && [ ! -d "$_orrery_prefix/conda-meta" ]; then
            . "$_orrery_prefix/bin/activate"
        else
            CONDA_PREFIX=$_orrery_prefix CONDA_DEFAULT_ENV=$_orrery_prefix CONDA_SHLVL=1
            PATH=$_orrery_prefix/bin:$PATH
            export CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL
            for _orrery_script in "$_orrery_prefix"/etc/conda/activate.d/*.sh; do
                [ -r "$_orrery_script" ] && . "$_orrery_script"
            done
            unset _orrery_script
            PS1="($_orrery_default) $PS1"
        fi
        ;;
esac
export PATH
unset _orrery_path _orrery_default _orrery_prefix
