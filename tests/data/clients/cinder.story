# Every command of python-cinderclient, as its user types it. See tests/clients/stories.py for what a line says.

# What the service says of itself.
api-version ~ 3.71
version-list ~ v3.0
absolute-limits ~ maxTotalVolumes
rate-limits
availability-zone-list ~ nova +\| available
get-pools --detail ~ total_capacity_gb
get-pools --filters name=peer@second#second ~ peer@second#second
get-capabilities peer@file ~ volume_backend_name +\| file
! get-capabilities nowhere ~ HTTP 404
list-filters ~ group_snapshot
list-filters --resource volume ~ bootable
service-list ~ cinder-backup
service-list --host peer@second --withreplication ~ Replication Status
service-disable peer@second cinder-volume --reason repair ~ disabled +\| repair
service-list --binary cinder-volume ~ repair
service-enable peer@second cinder-volume ~ enabled
freeze-host peer@second
service-list --host peer@second ~ frozen
thaw-host peer@second
! failover-host peer@second --backend_id elsewhere ~ failover
service-set-log WARNING --binary cinder-volume --server peer@second --prefix hearth::metrics
service-get-log --binary cinder-volume --prefix hearth::metrics ~ hearth::metrics +\| WARNING
work-cleanup --binary cinder-volume --is-up true ~ peer@second
cluster-list --detailed
! cluster-show cinder-volume nowhere ~ HTTP 404
! cluster-enable cinder-volume nowhere ~ HTTP 404
! cluster-disable cinder-volume nowhere --reason repair ~ HTTP 404

# Quotas.
quota-update $other --volumes 7 --groups 3 --per-volume-gigabytes 5 ~ volumes +\| 7
quota-show $other ~ per_volume_gigabytes +\| 5
quota-usage $other ~ Reserved
quota-defaults $other ~ volumes +\| 10
quota-delete $other
quota-show $other ~ volumes +\| 10
quota-class-update gold --volumes 5 --backup-gigabytes 7
quota-class-show gold ~ backup_gigabytes +\| 7

# Types.
type = type-create gold --description shiny
type-key $type set quality:color=red quality:age=old
type-key gold unset quality:age
extra-specs-list ~ 'quality:color': 'red'
type-update $type --description shinier ~ shinier
type-show gold ~ shinier
type-list --filters is_public=true ~ gold
type-default ~ __DEFAULT__
private = type-create private --is-public false
type-access-add --volume-type private --project-id $other
type-access-list --volume-type private ~ $other
type-access-remove --volume-type private --project-id $other
default-type-set gold $other ~ $type
default-type-list ~ $type
default-type-list --project-id $other ~ $type
default-type-unset $other
encryption-type-create private luks --cipher aes-xts-plain64 --key-size 256 --control-location front-end ~ luks
encryption-type-show private ~ 256
encryption-type-list ~ front-end
encryption-type-update private --key-size 128
encryption-type-show private ~ 128
encryption-type-delete private
qos = qos-create fast consumer=back-end iops=100
qos-key $qos set iops=200
qos-show $qos ~ 200
qos-list ~ back-end
qos-associate $qos $private
qos-get-association $qos ~ private
qos-disassociate $qos $private
qos-associate $qos $private
qos-disassociate-all $qos
qos-delete --force True $qos
type-delete $private

# Volumes.
one = create 1 --name one --metadata color=red --volume-type gold ~ gold
await volumes/$one available
list --name one --metadata color=red --with-count ~ $one
list --filters name~=on --fields name,size ~ one
rename one uno --description renamed
show uno ~ renamed
metadata $one set a=b
metadata-show $one ~ a +\| b
metadata-update-all $one c=d ~ c +\| d
metadata $one unset c
image-metadata $one set os_distro=debian
image-metadata-show $one ~ os_distro +\| debian
image-metadata $one unset os_distro
set-bootable $one true
readonly-mode-update $one true
show $one ~ readonly : True
readonly-mode-update $one false
summary --all-tenants ~ total_count
reset-state $one --state error --attach-status detached
show $one ~ status +\| error
reset-state $one --state available
silver = type-create silver
type-key $silver set volume_backend_name=file
retype $one silver --migration-policy on-demand
await volumes/$one volume_type=silver
await volumes/$one available
retype $one gold
await volumes/$one volume_type=gold
await volumes/$one available
migrate $one peer@second#second --force-host-copy True --lock-volume True
await volumes/$one migration_status=success
await volumes/$one available
show $one ~ peer@second#second
migrate $one peer@file#file
await volumes/$one os-vol-host-attr:host=peer@file#file
await volumes/$one available

# Images.
image = upload-to-image --disk-format qcow2 --container-format bare $one picture ~ picture
await volumes/$one available
reimage $one $image.image_id
await volumes/$one available

# Snapshots.
snapshot = snapshot-create $one --name s --metadata k=v ~ k
await snapshots/$snapshot available
snapshot-list --name s --with-count ~ $snapshot
snapshot-rename s t --description renamed
snapshot-show t ~ renamed
snapshot-metadata $snapshot set a=b
snapshot-metadata-show $snapshot ~ a +\| b
snapshot-metadata-update-all $snapshot c=d ~ 'c': 'd'
snapshot-reset-state $snapshot --state error
snapshot-show $snapshot ~ status +\| error
snapshot-reset-state $snapshot
revert-to-snapshot $snapshot
await volumes/$one available
await snapshots/$snapshot available
snapshot-unmanage $snapshot
await snapshots/$snapshot gone
snapshot-manageable-list peer@file#file --detailed True ~ snapshot-$snapshot
managed = snapshot-manage $one snapshot-$snapshot --id-type source-name --name back ~ back
await snapshots/$managed available
snapshot-delete --force $managed
await snapshots/$managed gone

# What somebody else has made.
file strange
manageable-list peer@file#file --detailed True --sort size:desc ~ strange
found = manage peer@file#file strange --id-type source-name --name found --metadata a=b --bootable
await volumes/$found available
unmanage $found
await volumes/$found gone
manageable-list peer@file#file ~ volume-$found

# Attachments.
attachment = attachment-create $one $server --connect True --ip 192.0.2.1 --host compute-1 --platform x86_64 --ostype linux --mountpoint /dev/vdb ~ attach_mode
attachment-complete $attachment
attachment-list --volume-id $one ~ attached
attachment-show $attachment ~ $one
attachment-delete $attachment
reserved = attachment-create $one $server
attachment-update $reserved --ip 192.0.2.1 --host compute-1 --platform x86_64 --ostype linux --mountpoint /dev/vdb
attachment-delete $reserved
await volumes/$one available

# Backups.
backup = backup-create $one --name b --description d --metadata k=v --force
await backups/$backup available
await volumes/$one available
increment = backup-create $one --incremental
await backups/$increment available
backup-list --volume-id $one --with-count ~ $increment
backup-show b ~ is_incremental +\| False
backup-update $backup --name c --description e ~ c
record = backup-export $increment ~ backup_service
backup-reset-state $increment --state error
backup-show $increment ~ status +\| error
backup-reset-state $increment --state available
restored = backup-restore $increment --name restored
await backups/$increment available
await volumes/$restored.volume_id available
backup-delete $increment
await backups/$increment gone
imported = backup-import $record.backup_service $record.backup_url
await backups/$imported available
backup-delete --force $imported
await backups/$imported gone
delete $restored.volume_id
backup-delete $backup
await backups/$backup gone
extend $one 2
await volumes/$one size=2
await volumes/$one available

# Transfers.
transfer = transfer-create $one --name gift --no-snapshots ~ auth_key
transfer-list --sort created_at:desc ~ gift
transfer-show $transfer ~ $one
transfer-delete $transfer
transfer = transfer-create $one
transfer-accept $transfer $transfer.auth_key ~ $one

# Messages.
nowhere = type-create nowhere
type-key $nowhere set volume_backend_name=nowhere
lost = create 1 --volume-type nowhere
await volumes/$lost error
message = message-list --resource_uuid $lost ~ VOLUME
message-show $message ~ $lost
message-delete $message
force-delete $lost
await volumes/$lost gone

# Groups.
kind = group-type-create family --description d ~ family
group-type-key $kind set a=b
group-specs-list ~ 'a': 'b'
group-type-update $kind --name kin --description e ~ kin
group-type-show kin ~ e
group-type-list --filters name=kin ~ kin
! group-type-default ~ .
group = group-create kin gold --name g --description d ~ creating|available
await groups/$group available
member = create 1 --group-id $group --volume-type gold
await volumes/$member available
group-update $group --name h --remove-volumes $member
await groups/$group available
group-update $group --add-volumes $member
await groups/$group available
group-show --list-volume True $group ~ $member
group-list --filters name=h ~ h
group_snapshot = group-snapshot-create $group --name gs ~ creating|available
await group_snapshots/$group_snapshot available
group-snapshot-list --group-id $group ~ gs
group-snapshot-show gs ~ $group
copied = group-create-from-src --group-snapshot $group_snapshot --name copied
await groups/$copied available
group-delete --delete-volumes $copied
await groups/$copied gone
group-snapshot-delete $group_snapshot
await group_snapshots/$group_snapshot gone
! group-enable-replication $group ~ HTTP 400
! group-disable-replication $group ~ HTTP 400
! group-failover-replication $group --secondary-backend-id elsewhere ~ HTTP 400
! group-list-replication-targets $group ~ HTTP 400
group-delete --delete-volumes $group
await groups/$group gone
group-type-delete $kind

# The older form of groups.
consistency = consisgroup-create gold --name c --description d ~ c
await consistencygroups/$consistency available
part = create 1 --consisgroup-id $consistency --volume-type gold
await volumes/$part available
consisgroup-update $consistency --name d
consisgroup-list ~ d
consisgroup-show d ~ available
cgsnapshot = cgsnapshot-create $consistency --name cs --description d
await cgsnapshots/$cgsnapshot available
cgsnapshot-list --consistencygroup-id $consistency ~ cs
cgsnapshot-show cs ~ $consistency
second = consisgroup-create-from-src --cgsnapshot cs --name again
await consistencygroups/$second available
consisgroup-delete --force $second
await consistencygroups/$second gone
cgsnapshot-delete $cgsnapshot
await cgsnapshots/$cgsnapshot gone
consisgroup-delete --force $consistency
await consistencygroups/$consistency gone

delete --cascade $one
await volumes/$one gone
type-delete $type $silver $nowhere
