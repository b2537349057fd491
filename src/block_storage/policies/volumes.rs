//! Volumes: the noun itself, its extra fields, metadata and management of existing ones.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, admin, member, reader};
use crate::identity::policy::Rule;

pub const CREATE: Rule =
    member("volume:create").formerly(ANYBODY).about("Create a volume.").operations(&[("POST", "/volumes")]);
pub const CREATE_FROM_IMAGE: Rule = member("volume:create_from_image")
    .formerly(ANYBODY)
    .about("Create a volume from an image.")
    .operations(&[("POST", "/volumes")]);
pub const MULTIATTACH: Rule = member("volume:multiattach")
    .formerly(OWNER)
    .about("Create or retype a volume so that several servers may attach it.")
    .operations(&[("POST", "/volumes"), ("POST", "/volumes/{volume_id}/action (os-retype)")]);
pub const GET: Rule =
    reader("volume:get").formerly(OWNER).about("See a volume.").operations(&[("GET", "/volumes/{volume_id}")]);
pub const GET_ALL: Rule = reader("volume:get_all")
    .formerly(OWNER)
    .about("List volumes and sum them up.")
    .operations(&[("GET", "/volumes"), ("GET", "/volumes/detail"), ("GET", "/volumes/summary")]);
pub const UPDATE: Rule = member("volume:update")
    .formerly(OWNER)
    .about("Change name, description, metadata and bootable flag of a volume.")
    .operations(&[("PUT", "/volumes/{volume_id}"), ("POST", "/volumes/{volume_id}/action (os-set_bootable)")]);
pub const DELETE: Rule = member("volume:delete").formerly(OWNER).about("Delete a volume.").operations(&[
    ("DELETE", "/volumes/{volume_id}"),
    ("POST", "/volumes/{volume_id}/action (os-unmanage)"),
    ("POST", "/volumes/{volume_id}/action (os-force_delete)"),
]);
pub const FORCE_DELETE: Rule = admin("volume:force_delete")
    .about("Delete a volume whatever state it is in, by DELETE with force.")
    .operations(&[("DELETE", "/volumes/{volume_id}")]);
pub const HOST_ATTRIBUTE: Rule = admin("volume_extension:volume_host_attribute")
    .about("See the host in a volume's detail.")
    .operations(&[("GET", "/volumes/detail"), ("GET", "/volumes/{volume_id}")]);
pub const PROJECT_ATTRIBUTE: Rule = reader("volume_extension:volume_tenant_attribute")
    .formerly(OWNER)
    .about("See the project in a volume's detail.")
    .operations(&[("GET", "/volumes/detail"), ("GET", "/volumes/{volume_id}")]);
pub const MIGRATION_STATUS_ATTRIBUTE: Rule = admin("volume_extension:volume_mig_status_attribute")
    .about("See the state of a migration in a volume's detail.")
    .operations(&[("GET", "/volumes/detail"), ("GET", "/volumes/{volume_id}")]);
pub const ENCRYPTION_METADATA: Rule = reader("volume_extension:volume_encryption_metadata")
    .formerly(OWNER)
    .about("See how a volume is encrypted.")
    .operations(&[("GET", "/volumes/{volume_id}/encryption"), ("GET", "/volumes/{volume_id}/encryption/{key}")]);
pub const GET_METADATA: Rule =
    reader("volume:get_volume_metadata").formerly(OWNER).about("See the metadata of a volume.").operations(&[
        ("GET", "/volumes/{volume_id}/metadata"),
        ("GET", "/volumes/{volume_id}/metadata/{key}"),
        ("POST", "/volumes/{volume_id}/action (os-show_image_metadata)"),
    ]);
pub const CREATE_METADATA: Rule = member("volume:create_volume_metadata")
    .formerly(OWNER)
    .about("Add metadata to a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/metadata")]);
pub const UPDATE_METADATA: Rule = member("volume:update_volume_metadata")
    .formerly(OWNER)
    .about("Replace the metadata of a volume, or one item.")
    .operations(&[
        ("PUT", "/volumes/{volume_id}/metadata"),
        ("PUT", "/volumes/{volume_id}/metadata/{key}"),
        ("POST", "/volumes/{volume_id}/action (os-set_image_metadata)"),
    ]);
pub const DELETE_METADATA: Rule = member("volume:delete_volume_metadata")
    .formerly(OWNER)
    .about("Delete one item of a volume's metadata.")
    .operations(&[
        ("DELETE", "/volumes/{volume_id}/metadata/{key}"),
        ("POST", "/volumes/{volume_id}/action (os-unset_image_metadata)"),
    ]);
pub const SHOW_IMAGE_METADATA: Rule = reader("volume_extension:volume_image_metadata:show")
    .deprecated("volume_extension:volume_image_metadata", OWNER)
    .about("See the metadata that a volume got from its image.")
    .operations(&[("GET", "/volumes/detail"), ("GET", "/volumes/{volume_id}")]);
pub const SET_IMAGE_METADATA: Rule = member("volume_extension:volume_image_metadata:set")
    .deprecated("volume_extension:volume_image_metadata", OWNER)
    .about("Set image metadata of a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-set_image_metadata)")]);
pub const REMOVE_IMAGE_METADATA: Rule = member("volume_extension:volume_image_metadata:remove")
    .deprecated("volume_extension:volume_image_metadata", OWNER)
    .about("Remove an item of a volume's image metadata.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-unset_image_metadata)")]);
pub const UPDATE_ADMIN_METADATA: Rule = admin("volume:update_volume_admin_metadata")
    .about("Change what a volume keeps for administrators while it is attached or made read-only.")
    .operations(&[
        ("POST", "/volumes/{volume_id}/action (os-update_readonly_flag)"),
        ("POST", "/volumes/{volume_id}/action (os-attach)"),
    ]);
pub const LIST_MANAGEABLE: Rule = admin("volume_extension:list_manageable")
    .about("List what lies on a backend and could become a volume.")
    .operations(&[
        ("GET", "/os-volume-manage"),
        ("GET", "/os-volume-manage/detail"),
        ("GET", "/manageable_volumes"),
        ("GET", "/manageable_volumes/detail"),
    ]);
pub const MANAGE: Rule = admin("volume_extension:volume_manage")
    .about("Make a volume of what lies on a backend.")
    .operations(&[("POST", "/os-volume-manage"), ("POST", "/manageable_volumes")]);
pub const UNMANAGE: Rule = admin("volume_extension:volume_unmanage")
    .about("Forget a volume and leave it on its backend.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-unmanage)")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    CREATE,
    CREATE_FROM_IMAGE,
    MULTIATTACH,
    GET,
    GET_ALL,
    UPDATE,
    DELETE,
    FORCE_DELETE,
    HOST_ATTRIBUTE,
    PROJECT_ATTRIBUTE,
    MIGRATION_STATUS_ATTRIBUTE,
    ENCRYPTION_METADATA,
    GET_METADATA,
    CREATE_METADATA,
    UPDATE_METADATA,
    DELETE_METADATA,
    SHOW_IMAGE_METADATA,
    SET_IMAGE_METADATA,
    REMOVE_IMAGE_METADATA,
    UPDATE_ADMIN_METADATA,
    LIST_MANAGEABLE,
    MANAGE,
    UNMANAGE,
];
