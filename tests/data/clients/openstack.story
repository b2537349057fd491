# Every command of python-openstackclient's group openstack.volume.v3, as its user types it. See tests/clients/stories.py for
# what a line says.

# What the service says of itself.
block storage resource filter list ~ group_snapshot
block storage resource filter show volume ~ bootable
volume backend capability show peer@file
volume backend pool list --long ~ peer@second#second
volume service list --long ~ cinder-backup
volume service set --disable --disable-reason repair peer@second cinder-volume
volume service list --host peer@second --long ~ repair
volume service set --enable peer@second cinder-volume
volume host set --disable peer@second
volume service list --host peer@second --long ~ frozen
volume host set --enable peer@second
! volume host failover peer@second --volume-backend elsewhere ~ failover
block storage log level set WARNING --host peer@second --service cinder-volume --log-prefix hearth::metrics
block storage log level list --service cinder-volume --log-prefix hearth::metrics ~ hearth::metrics +\| WARNING
block storage cleanup --host nobody --binary cinder-volume --cluster nowhere --up --enabled
block storage cluster list --long
! block storage cluster show nowhere ~ .
! block storage cluster set nowhere --disable --disable-reason repair ~ 404

# Types.
type = volume type create gold --description shiny --property quality:color=red --property quality:age=old
volume type unset --property quality:age gold
volume type set --description shinier gold
volume type show gold ~ shinier
volume type list --long --property quality:color=red ~ gold
volume type create silver --property volume_backend_name=file
secret = volume type create secret --encryption-provider luks --encryption-cipher aes-xts-plain64 --encryption-key-size 256 --encryption-control-location front-end
volume type show secret --encryption-type ~ luks
volume type unset --encryption-type secret
qos = volume qos create fast --consumer back-end --property iops=100
volume qos set $qos --property iops=200 --property other=1
volume qos unset $qos --property other
volume qos show fast ~ iops='200'
volume qos list ~ fast
volume qos associate fast secret
volume qos disassociate fast --volume-type secret
volume qos delete --force fast
volume type delete secret

# Volumes.
one = volume create one --size 1 --type silver --property color=red
await volumes/$one available
volume set one --name uno --description renamed --property a=b
volume unset uno --property color
volume show uno ~ renamed
volume list --long --name uno ~ a='b'
volume summary --all-projects ~ Total Size
volume set uno --type gold
await volumes/$one volume_type=gold
await volumes/$one available
volume migrate uno --host peer@second#second
await volumes/$one migration_status=success
volume migrate uno --host peer@file#file
await volumes/$one os-vol-host-attr:host=peer@file#file
await volumes/$one available

# Snapshots.
snapshot = volume snapshot create s --volume uno --property k=v
await snapshots/$snapshot available
volume snapshot set s --name t --description d --property a=b
volume snapshot unset t --property k
volume snapshot show t ~ a='b'
volume snapshot list --long --volume uno ~ $snapshot
volume revert t
await volumes/$one available
await snapshots/$snapshot available
block storage snapshot manageable list peer@file#file --long ~ already managed
volume snapshot delete t
await snapshots/$snapshot gone

# What somebody else has made.
file strange
block storage volume manageable list peer@file#file --long ~ strange
strange = volume create --host peer@file#file --remote-source source-name=strange --bootable found
await volumes/$strange available
volume delete --remote found
await volumes/$strange gone
block storage volume manageable list peer@file#file ~ volume-$strange
again = volume create --host peer@file#file --remote-source source-name=volume-$strange --bootable again
await volumes/$again available
volume delete --remote again
await volumes/$again gone

# Attachments.
post attachment attachments {"attachment": {"volume_uuid": "$one", "instance_uuid": "$server", "connector": {"host": "compute-1", "ip": "192.0.2.1"}}}
volume attachment complete $attachment
volume attachment list --volume-id $one ~ attached
volume attachment show $attachment ~ $one
volume attachment delete $attachment
post reserved attachments {"attachment": {"volume_uuid": "$one", "instance_uuid": "$server"}}
volume attachment set $reserved --ip 192.0.2.1 --host compute-1 --platform x86_64 --os-type linux --mountpoint /dev/vdb
volume attachment delete $reserved
await volumes/$one available

# Backups.
backup = volume backup create uno --name b --property k=v --force
await backups/$backup available
increment = volume backup create uno --incremental --name i
await backups/$increment available
volume backup set b --name c --description d --property a=b
# The client asks for a route that Cinder does not have.
! volume backup unset c --property k ~ 404
volume backup show c ~ 'a': 'b'
volume backup list --long --volume uno ~ $increment
record = volume backup record export i
volume backup set i --state error
volume backup show i ~ error
volume backup set i --state available
restored = volume backup restore i restored
await backups/$increment available
await volumes/$restored.volume_id available
volume delete $restored.volume_id
volume backup delete i
await backups/$increment gone
# The client posts to the route that exports.
! volume backup record import $record.backup_service $record.backup_url ~ 404
volume backup delete c
await backups/$backup gone
volume set uno --size 2
await volumes/$one size=2
await volumes/$one available

# Transfers.
transfer = volume transfer request create uno --name gift --no-snapshots
volume transfer request list ~ gift
volume transfer request show gift ~ $one
volume transfer request delete $transfer
transfer = volume transfer request create uno
volume transfer request accept $transfer --auth-key $transfer.auth_key ~ $one

# Messages.
nowhere = volume type create nowhere --property volume_backend_name=nowhere
lost = volume create lost --size 1 --type nowhere
await volumes/$lost error
message = volume message list ~ $lost
# The client reads the answer by a name that no service gives it: only the id is shown.
volume message show $message ~ $message
volume message delete $message
volume delete --force lost
await volumes/$lost gone

# Groups.
kind = volume group type create family --description d
volume group type set family --description e --property a=b
volume group type show family ~ a='b'
volume group type list ~ family
group = volume group create --volume-group-type family --volume-type gold --name g
await groups/$group available
member = volume create member --size 1 --type gold
await volumes/$member available
volume group add volume g member
await groups/$group available
volume group show g --volumes ~ $member
volume group list ~ g
group_snapshot = volume group snapshot create g --name gs
await group_snapshots/$group_snapshot available
volume group snapshot list ~ gs
volume group snapshot show gs ~ $group
volume group snapshot delete gs
await group_snapshots/$group_snapshot gone
volume group remove volume g member
await groups/$group available
volume group set g --name h --description d
! volume group failover h --secondary-backend-id elsewhere ~ 400
volume group delete --force h
await groups/$group gone
volume group type delete family

# The older form of groups.
consistency = consistency group create c --volume-type gold --description d
await consistencygroups/$consistency available
consistency group add volume c member
await consistencygroups/$consistency available
consistency group set c --name d
consistency group list --long ~ d
consistency group show d ~ available
cgsnapshot = consistency group snapshot create cs --consistency-group d
await cgsnapshots/$cgsnapshot available
# The client drops all that has no status and no group, which nobody asked for.
consistency group snapshot list --long
consistency group snapshot show cs ~ $consistency
consistency group snapshot delete cs
await cgsnapshots/$cgsnapshot gone
consistency group remove volume d member
await consistencygroups/$consistency available
# The client sends its request under a name that Cinder's schema does not have.
! consistency group delete --force d ~ is not valid under any of the given schemas
post - consistencygroups/$consistency/delete {"consistencygroup": {"force": true}}
await consistencygroups/$consistency gone

volume delete member uno
await volumes/$one gone
await volumes/$member gone
volume type delete gold silver nowhere
