# Runs a command in the image under the limits of Lambda: lambda.sh IMAGE FOLDER COMMAND... It needs its own mount, process
# and network namespaces. The command starts in a copy of FOLDER/job at /tmp/job, without privileges or a way to gain any.
set -eu
image=$1 folder=$2
shift 2
mount --bind "$image" "$folder/root"
mount -o remount,bind,ro "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount -t tmpfs -o size=2048m,mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mount -o remount,ro dev
cp -R "$folder/job" tmp/job
chown -R 993:990 tmp/job
# In a chroot the kernel refuses user namespaces, as Lambda does.
exec chroot . setpriv --reuid 993 --regid 990 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
